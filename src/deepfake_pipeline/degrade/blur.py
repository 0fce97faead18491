"""Blur."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, cos, pi, sin
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake_pipeline.degrade.base import Image
from deepfake_pipeline.degrade.severity import REFERENCE_SIDE, STEPS

TRUNCATE = 3.0
"""The kernel ends this many sigmas from its centre."""

_FINENESS = 16
"""Points along a pixel's side at which the shape of a kernel is sampled."""

_WEIGHTS = 2.0**12
"""Largest weight of a kernel, about: weights are whole numbers, so that sums of pixels are exact."""


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


@dataclass(frozen=True)
class MotionBlur:
    """Camera or face moved at constant speed while the shutter was open: every point becomes a straight streak.

    Args:
        length: of the streak, in pixels of a face whose shorter side is 224 px.
        direction: of the streak, in radians from the right, clockwise as seen; half a turn makes no difference.
    """

    length: float
    direction: float

    @classmethod
    def draw(cls, severity: float, rng: np.random.Generator) -> Self:
        """Any direction."""
        return cls(STEPS["motion_blur"].at(severity), float(rng.uniform(0, pi)))

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Blurred copy; the border is mirrored without repeating its outermost pixels."""
        return _convolved(image, streak(self.length * min(image.shape[:2]) / REFERENCE_SIDE, self.direction))


@dataclass(frozen=True)
class Defocus:
    """A face out of the plane of focus: every point becomes the disc that a round aperture casts.

    Args:
        radius: of the disc, in pixels of a face whose shorter side is 224 px.
    """

    radius: float

    @classmethod
    def draw(cls, severity: float, rng: np.random.Generator) -> Self:
        """Nothing is random here."""
        return cls(STEPS["defocus"].at(severity))

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Blurred copy; the border is mirrored without repeating its outermost pixels."""
        return _convolved(image, disc(self.radius * min(image.shape[:2]) / REFERENCE_SIDE))


@lru_cache(maxsize=32)
def disc(radius: float) -> NDArray[np.float64]:
    """Whole-numbered weights of a disc of that radius in pixels; a pixel counts as much as the disc covers of it."""
    reach = ceil(radius)
    fine = (np.arange((2 * reach + 1) * _FINENESS) + 0.5) / _FINENESS - reach - 0.5
    inside = np.add.outer(fine**2, fine**2) <= max(radius, 0.5) ** 2
    side = 2 * reach + 1
    covered = inside.reshape(side, _FINENESS, side, _FINENESS).mean(axis=(1, 3))
    return _whole(covered)


def streak(length: float, direction: float) -> NDArray[np.float64]:
    """Whole-numbered weights of a straight line of that length in pixels about the centre, one pixel wide."""
    reach = ceil(length / 2) + 1
    count = 2 * ceil(length * _FINENESS / 2) + 1
    along = np.linspace(-length / 2, length / 2, count)
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    x, y = along * cos(direction) + reach, along * sin(direction) + reach
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    for right in (0, 1):
        for below in (0, 1):
            share = np.abs(1 - right - (x - left)) * np.abs(1 - below - (y - top))
            np.add.at(kernel, (top + below, left + right), share)
    return _whole(kernel)


def _whole(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.rint(kernel * (_WEIGHTS / kernel.max()))


def _convolved(image: Image, kernel: NDArray[np.float64]) -> Image:
    """Weighted mean of the neighbours, the same bytes on every machine.

    Whatever way OpenCV chooses to sum (Fourier transforms for wide kernels), in doubles it comes within 1e-6 of a
    whole number, and rounding restores it.
    """
    sums = cv2.filter2D(image.astype(np.float64), cv2.CV_64F, kernel, borderType=cv2.BORDER_REFLECT_101)
    blurred = np.rint(sums)
    blurred /= kernel.sum()
    return np.rint(blurred, out=blurred).astype(np.uint8)
