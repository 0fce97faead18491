"""Blur."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Self

import cv2
import numpy as np

from deepfake_pipeline.degrade.base import Image
from deepfake_pipeline.degrade.severity import REFERENCE_SIDE, STEPS

TRUNCATE = 3.0
"""The kernel ends this many sigmas from its centre."""


@dataclass(frozen=True)
class GaussianBlur:
    """Gaussian blur, equal in all directions: a lens out of focus, or a face seen from afar.

    Args:
        sigma: in pixels of a face whose shorter side is 224 px.
    """

    sigma: float

    @classmethod
    def draw(cls, severity: float, rng: np.random.Generator) -> Self:
        """Nothing is random here."""
        return cls(STEPS["gaussian_blur"].at(severity))

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Blurred copy; the border is mirrored without repeating its outermost pixels."""
        sigma = self.sigma * min(image.shape[:2]) / REFERENCE_SIDE
        side = 2 * ceil(TRUNCATE * sigma) + 1
        # On uint8 OpenCV computes in fixed point: the same bytes on every machine.
        blurred = cv2.GaussianBlur(image, (side, side), sigma, borderType=cv2.BORDER_REFLECT_101)
        return blurred.astype(np.uint8, copy=False)
