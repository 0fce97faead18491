"""Noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from deepfake_pipeline.degrade.base import Image
from deepfake_pipeline.degrade.severity import STEPS


@dataclass(frozen=True)
class SaltAndPepper:
    """Dead and stuck pixels: each is, on its own, black or white in all three channels.

    Whole pixels are hit, as the name says of dots of salt and pepper; ImageNet-C, whose shares these are, hits
    single channels and so makes coloured dots.

    Args:
        share: chance of a pixel to be hit, in [0, 1]; black and white are equally likely.
    """

    share: float

    @classmethod
    def draw(cls, severity: float, rng: np.random.Generator) -> Self:
        """The share is fixed; the positions come when the image is there."""
        return cls(STEPS["salt_and_pepper"].at(severity))

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Copy with black and white pixels."""
        chance = rng.random(image.shape[:2], dtype=np.float32)
        noisy = image.copy()
        noisy[chance < self.share / 2] = 0
        noisy[chance >= 1 - self.share / 2] = 255
        return noisy
