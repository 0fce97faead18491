"""Lossy compression of single pictures, by the codecs that OpenCV carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from deepfake_pipeline.degrade.base import Image
from deepfake_pipeline.degrade.severity import STEPS


@dataclass(frozen=True)
class Jpeg:
    """Saved once as JPEG: baseline, 4:2:0 chroma, libjpeg's tables; what most uploads go through.

    Args:
        quality: of libjpeg, a whole number from 1 to 100.
    """

    quality: int

    @classmethod
    def draw(cls, severity: float, rng: np.random.Generator) -> Self:
        """Nothing is random here; between two severities the nearest whole quality."""
        return cls(round(STEPS["jpeg"].at(severity)))

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """The decoded image; nothing of the stream is kept."""
        options = [
            cv2.IMWRITE_JPEG_QUALITY,
            self.quality,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
        ]
        return _round_trip(image, ".jpg", options)


@dataclass(frozen=True)
class Webp:
    """Saved once as lossy WebP (a key frame of VP8): what messengers and web pages make of an upload.

    Args:
        quality: of libwebp, a whole number from 1 to 100.
    """

    quality: int

    @classmethod
    def draw(cls, severity: float, rng: np.random.Generator) -> Self:
        """Nothing is random here; between two severities the nearest whole quality."""
        return cls(round(STEPS["webp"].at(severity)))

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """The decoded image; nothing of the stream is kept."""
        return _round_trip(image, ".webp", [cv2.IMWRITE_WEBP_QUALITY, self.quality])


def _round_trip(image: Image, suffix: str, options: list[int]) -> Image:
    _, stream = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    decoded = cv2.imdecode(stream, cv2.IMREAD_COLOR_RGB)
    assert decoded is not None  # it was encoded two lines above
    return decoded.astype(np.uint8, copy=False)
