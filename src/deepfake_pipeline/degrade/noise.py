"""Noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

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


@dataclass(frozen=True)
class WhiteNoise:
    """Gaussian noise of one strength everywhere, drawn for every value of every pixel: a sensor read in a hurry.

    Args:
        sigma: standard deviation, as a share of the full range of a value.
    """

    sigma: float

    @classmethod
    def draw(cls, severity: float, rng: np.random.Generator) -> Self:
        """The strength is fixed; the values come when the image is there."""
        return cls(STEPS["white_noise"].at(severity))

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Noisy copy, clipped to the range and rounded."""
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        noise *= np.float32(255 * self.sigma)
        noise += image
        return rounded(noise)


@dataclass(frozen=True)
class PoissonNoise:
    """Shot noise: a pixel is a count of photons, so that bright parts vary more, and relatively less, than dark ones.

    Args:
        photons: expected in a value of 255.
    """

    photons: float

    @classmethod
    def draw(cls, severity: float, rng: np.random.Generator) -> Self:
        """The light is fixed; the counts come when the image is there."""
        return cls(STEPS["poisson_noise"].at(severity))

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Noisy copy, clipped to the range and rounded; what is black stays black."""
        expected = np.arange(256) * (self.photons / 255)
        counts = rng.poisson(expected[image]).astype(np.float32)
        counts *= np.float32(255 / self.photons)
        return rounded(counts)


def rounded(values: NDArray[np.float32]) -> Image:
    """Values clipped to [0, 255] and rounded to uint8; the array is used up."""
    np.clip(values, 0, 255, out=values)
    return np.rint(values, out=values).astype(np.uint8)
