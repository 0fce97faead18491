"""Against blur: sharpening, and deconvolution with a Gaussian whose width the image itself tells."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, pi

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake_pipeline.degrade.severity import REFERENCE_SIDE
from deepfake_pipeline.restore.base import Image, Plane, Repair, rounded
from deepfake_pipeline.restore.estimate import blur_sigma

_TRUNCATE = 4.0
"""Kernels end this many sigmas from their centre."""


@dataclass(frozen=True)
class Unsharp(Repair):
    """Unsharp masking: Output = Original + k (Original - Blurred), blurred by a Gaussian.

    The formula is that of Fadly and Utami 2025, "Improving the quality of deepfake videos using image recognition
    technology on random videos", who give neither k nor the Gaussian. k = 1 is the usual amount (scikit-image's
    default); of the usual radii, 2 px is the one with which blur of no severity is made much worse.

    Args:
        k: amount.
        sigma: of the Gaussian, in px of a face whose shorter side is 224 px.
    """

    k: float = 1.0
    sigma: float = 2.0

    def _repair(self, image: Image) -> Image:
        original = image.astype(np.float32)
        blurred = _gaussian(original, self.sigma * min(image.shape[:2]) / REFERENCE_SIDE)
        return rounded(original + np.float32(self.k) * (original - blurred))


@dataclass(frozen=True)
class Wiener(Repair):
    """Wiener deconvolution of a Gaussian blur, for noise that is white and pictures whose power falls as 1/f².

    That fall is the one of natural images (Field 1987, "Relations between the statistics of natural images and the
    response properties of cortical cells"). Image and kernel meet in the cosine transform, which mirrors the border.

    Args:
        noise_to_signal: power of the noise over that of the picture, at a frequency of one radian a pixel.
        sigma: of the blur, in px of the image; None reads it off the image, and one that is sharp stays as it is.
    """

    noise_to_signal: float = 0.003
    sigma: float | None = None

    def _repair(self, image: Image) -> Image:
        from scipy.fft import dctn, idctn  # late: the command line starts without it

        sigma = blur_sigma(image) if self.sigma is None else self.sigma
        if sigma == 0:
            return image.copy()
        squared = _squared_frequencies(*image.shape[:2])
        blur = np.exp(-0.5 * sigma**2 * squared)
        gain = blur / (blur**2 + self.noise_to_signal * squared)
        spectrum = dctn(image.astype(np.float32), axes=(0, 1), norm="ortho")
        return rounded(idctn(spectrum * gain[..., None].astype(np.float32), axes=(0, 1), norm="ortho"))


@dataclass(frozen=True)
class RichardsonLucy(Repair):
    """Richardson-Lucy deconvolution of a Gaussian blur (Richardson 1972, Lucy 1974); stopping early keeps noise down.

    Args:
        iterations: how many times the estimate is corrected.
        sigma: of the blur, in px of the image; None reads it off the image, and one that is sharp stays as it is.
    """

    iterations: int = 20
    sigma: float | None = None

    def _repair(self, image: Image) -> Image:
        sigma = blur_sigma(image) if self.sigma is None else self.sigma
        if sigma == 0:
            return image.copy()
        blurred = image.astype(np.float32) + 1  # black would stay black for ever, and divide by zero
        estimate = blurred
        for _ in range(self.iterations):
            estimate = estimate * _gaussian(blurred / _gaussian(estimate, sigma), sigma)
        return rounded(estimate - 1)


def _squared_frequencies(height: int, width: int) -> NDArray[np.float64]:
    """Square of the frequency of each coefficient of a cosine transform, in radians a pixel."""
    vertical, horizontal = np.arange(height) * (pi / height), np.arange(width) * (pi / width)
    return np.add.outer(vertical**2, horizontal**2)


def _gaussian(values: Plane, sigma: float) -> Plane:
    """Gaussian blur with a mirrored border."""
    side = 2 * ceil(_TRUNCATE * sigma) + 1
    blurred = cv2.GaussianBlur(values, (side, side), sigma, borderType=cv2.BORDER_REFLECT)
    return blurred.astype(np.float32, copy=False)
