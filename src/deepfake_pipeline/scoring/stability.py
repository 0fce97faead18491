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
_ZOOM = 0.1  # of each side is cut off
_TURN = 7.0  # degrees
_WEIGHTS = np.array([2, 2, 2, 2, 3]) / 11  # of the versions: the stored one counts half as much again as another


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


def _cropped(image: Image, share: float) -> Image:
    """Without a share of each side, and as large as before."""
    height, width = image.shape[:2]
    y, x = round(height * share), round(width * share)
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


_zoomed = partial(_cropped, share=_ZOOM)


def _turned(image: Image) -> Image:
    """Turned a little about its middle; what comes in at the corners mirrors what is there."""
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), _TURN, 1)
    return np.asarray(cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101), np.uint8)


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
    "crop_2_percent": partial(_cropped, share=_CROP),
    "letterbox": _letterboxed,
    "mirror": _mirrored,
    "gamma_1.1": _gamma,
}
"""Re-encodings by name, of RGB uint8 (H, W, 3) to the same shape; what is cut off or added is undone."""

STORED = "jpeg_75"
"""The re-encoding among the versions that are judged where a rule asks for stability."""


def judged_versions(
    judge: DetectorRunner,
    pictures: NDArray[np.uint8],
    stability: bool,
    enhance: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None,
) -> tuple[NDArray[np.uint8], Floats]:
    """What is judged of pictures, and raw log-odds of it; where stability is asked for, of other versions too.

    The versions are the picture, its mirror image, the picture zoomed in, its mirror image turned a little, and the
    mirror image of the picture stored as :data:`STORED`. The last is enhanced after it was stored: an enhancer may take
    what a compression left for something else, and what it makes of that is no longer what it made of the picture. The
    others are of what the enhancer made of the picture itself.

    Args:
        judge: the detector.
        pictures: uint8 ``(N, H, W, 3)``, at least one.
        stability: whether the versions are judged.
        enhance: what the picture and its stored copy go through, from and to uint8 ``(N, H, W, 3)``; None = nothing.

    Returns:
        uint8 ``(N, H, W, 3)``, the pictures enhanced, and float64 ``(N, V)``: V is 1, or 5 with the picture first.
    """
    enhanced = pictures if enhance is None else enhance(pictures)
    versions = [enhanced]
    if stability:
        stored = each(REENCODINGS[STORED], pictures)
        mirrored = each(_mirrored, enhanced)
        again = stored if enhance is None else enhance(stored)
        versions += [mirrored, each(_zoomed, enhanced), each(_turned, mirrored), each(_mirrored, again)]
    logits = np.stack([judge.judge(version).logit for version in versions], axis=1)
    return enhanced, logits.astype(np.float64)


def each(change: Callable[[Image], Image], pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures uint8 ``(N, H, W, 3)``, each changed into one of the same shape."""
    return np.stack([change(picture) for picture in pictures])


def steady(margins: Floats) -> Floats:
    """The mean of the margins ``(..., V)`` of a face's versions, ``(...)``.

    With less weight on what is stored, a compression turns round some verdicts on blurred faces; with more, fewer faces
    get one. The mean is all but 0, with the sign of the first margin, where it is on the other side.
    """
    mean = margins[..., 0] if margins.shape[-1] == 1 else margins @ _WEIGHTS
    side = np.where(margins[..., 0] >= 0, 1.0, -1.0)
    return np.asarray(side * np.maximum(side * mean, _NOTHING))
