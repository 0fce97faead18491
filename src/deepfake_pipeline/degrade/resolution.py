"""Loss of resolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from deepfake_pipeline.degrade.base import Image
from deepfake_pipeline.degrade.severity import STEPS


@dataclass(frozen=True)
class DownscaleUpscale:
    """Stored small and enlarged again: a thumbnail, or a small face of a large picture.

    Args:
        factor: by which both sides shrink, at least 1; each pixel of the small image is the mean of what it covers,
            and it is enlarged by cubic interpolation.
    """

    factor: float

    @classmethod
    def draw(cls, severity: float, rng: np.random.Generator) -> Self:
        """Nothing is random here."""
        return cls(STEPS["downscale_upscale"].at(severity))

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Copy of the same shape with less detail."""
        height, width = image.shape[:2]
        small = max(1, round(width / self.factor)), max(1, round(height / self.factor))
        shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        return cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)
