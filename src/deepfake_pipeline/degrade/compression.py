"""Lossy compression."""

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
        _, stream = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
        decoded = cv2.imdecode(stream, cv2.IMREAD_COLOR_RGB)
        assert decoded is not None  # it was encoded one line above
        return decoded.astype(np.uint8, copy=False)
