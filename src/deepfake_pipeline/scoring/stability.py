"""The same picture, stored another way: re-encodings that must not turn a verdict round."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake_pipeline.metrics.classification import Floats
from deepfake_pipeline.models.run import DetectorRunner

Image = NDArray[np.uint8]

_BARS = 9 / 16  # of the side: a square picture inside a 16:9 frame of its own width
_CROP = 0.02
_GAMMA = 1.1
_NOTHING = 1e-9  # nats: keeps the sign


def _jpeg(image: Image, quality: int) -> Image:
    return _stored(image, ".jpg", cv2.IMWRITE_JPEG_QUALITY, quality)


def _stored(image: Image, suffix: str, *options: int) -> Image:
    """Written and read again; OpenCV has BGR."""
    _, data = cv2.imencode(suffix, image[..., ::-1], list(options))
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])


def _resized(image: Image, scale: float) -> Image:
    """Made smaller or larger, and back to its size."""
    height, width = image.shape[:2]
    there = max(round(height * scale), 1), max(round(width * scale), 1)
    shrinks = scale < 1
    other = cv2.resize(image, there[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    back = cv2.resize(other, (width, height), interpolation=cv2.INTER_LINEAR if shrinks else cv2.INTER_AREA)
    return np.asarray(back, np.uint8)


def _cropped(image: Image) -> Image:
    height, width = image.shape[:2]
    y, x = round(height * _CROP), round(width * _CROP)
    inner = np.ascontiguousarray(image[y : height - y, x : width - x])
    return np.asarray(cv2.resize(inner, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _letterboxed(image: Image) -> Image:
    """Between black bars in a frame of its own width, stored as JPEG, and cut out of the frame again."""
    height, width = image.shape[:2]
    within = max(round(height * _BARS), 1), max(round(width * _BARS), 1)
    small = cv2.resize(image, within[::-1], interpolation=cv2.INTER_AREA)
    left = (width - within[1]) // 2
    frame = np.zeros((within[0], width, 3), np.uint8)
    frame[:, left : left + within[1]] = small
    stored = _jpeg(frame, 95)
    cut = np.ascontiguousarray(stored[:, left : left + within[1]])
    return np.asarray(cv2.resize(cut, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _mirrored(image: Image) -> Image:
    return np.ascontiguousarray(image[:, ::-1])


def _gamma(image: Image) -> Image:
    table = np.rint(255 * (np.arange(256) / 255) ** _GAMMA).astype(np.uint8)
    return np.asarray(table[image])


def _webp(image: Image) -> Image:
    return _stored(image, ".webp", cv2.IMWRITE_WEBP_QUALITY, 80)


def _png(image: Image) -> Image:
    return _stored(image, ".png")


REENCODINGS: dict[str, Callable[[Image], Image]] = {
    "jpeg_95": partial(_jpeg, quality=95),
    "jpeg_75": partial(_jpeg, quality=75),
    "jpeg_50": partial(_jpeg, quality=50),
    "webp": _webp,
    "png": _png,
    "resize_0.5": partial(_resized, scale=0.5),
    "resize_0.75": partial(_resized, scale=0.75),
    "resize_1.5": partial(_resized, scale=1.5),
    "crop_2_percent": _cropped,
    "letterbox": _letterboxed,
    "mirror": _mirrored,
    "gamma_1.1": _gamma,
}
"""Re-encodings by name, of RGB uint8 (H, W, 3) to the same shape; what is cut off or added is undone."""

CHEAP = ("mirror", "jpeg_75", "resize_0.75")
"""Those by which a face is judged again where a release asks for stability."""


def logits_of_versions(judge: DetectorRunner, pictures: NDArray[np.uint8], stability: bool) -> Floats:
    """Raw log-odds of pictures, and where stability is asked for of their cheap re-encodings too.

    Args:
        judge: the detector.
        pictures: uint8 ``(N, H, W, 3)``.
        stability: whether re-encodings are judged.

    Returns:
        float64 ``(N, V)``: V is 1, or 4 with the picture itself first.
    """
    columns = [judge.judge(pictures).logit]
    if stability:
        for name in CHEAP:
            again = [REENCODINGS[name](picture) for picture in pictures]
            columns.append(judge.judge(np.stack(again) if again else pictures).logit)
    return np.stack(columns, axis=1).astype(np.float64)


def least_sure(margins: Floats) -> Floats:
    """Of the margins ``(..., V)`` of a face's versions the one least in favour of the first one's verdict, ``(...)``.

    It is all but 0, with the sign of the first one's, where a version would turn the verdict round.
    """
    side = np.where(margins[..., :1] >= 0, 1.0, -1.0)
    return np.asarray(side[..., 0] * np.maximum((side * margins).min(axis=-1), _NOTHING))
