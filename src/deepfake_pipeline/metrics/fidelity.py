"""How close an image is to its clean original: PSNR, SSIM and MAE of one pair of uint8 images, fast.

The same figures for batches of tensors are in :mod:`deepfake_pipeline.metrics.fidelity_torch`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Maps = NDArray[np.float32]

MAX_PSNR = 100.0
"""dB. Identical images would be infinitely close, and one of them would make every mean infinite; a 224 x 224 RGB
image that differs by one level in one value stands at 99.9 dB."""

SSIM_SIGMA = 1.5
SSIM_RADIUS = 5
SSIM_K1 = 0.01
SSIM_K2 = 0.03
_KERNEL = cv2.getGaussianKernel(2 * SSIM_RADIUS + 1, SSIM_SIGMA, cv2.CV_32F)


def mae(reference: Image, image: Image) -> float:
    """Mean absolute difference as a share of the range, in [0, 1].

    Args:
        reference: uint8 (H, W, C).
        image: of the same shape.

    Raises:
        ValueError: not uint8 (H, W, C), or different shapes.
    """
    _check(reference, image)
    return float(cv2.norm(reference, image, cv2.NORM_L1)) / (255.0 * reference.size)


def psnr(reference: Image, image: Image) -> float:
    """Peak signal-to-noise ratio over all channels together, in dB, for a range of 255; at most 100 dB.

    Args:
        reference: uint8 (H, W, C).
        image: of the same shape.

    Raises:
        ValueError: not uint8 (H, W, C), or different shapes.

    >>> grey = np.full((16, 16, 3), 100, np.uint8)
    >>> round(psnr(grey, grey + np.uint8(10)), 2), psnr(grey, grey)
    (28.13, 100.0)
    """
    _check(reference, image)
    error = float(cv2.norm(reference, image, cv2.NORM_L2SQR)) / reference.size
    return min(MAX_PSNR, 10 * float(np.log10(255.0**2 / error))) if error else MAX_PSNR


def ssim(reference: Image, image: Image) -> float:
    """Structural similarity: mean over the three channels of RGB, as restoration papers report it; 1 = identical.

    Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity", eq. 13: Gaussian
    window 11 x 11 of sigma 1.5, K1 = 0.01, K2 = 0.03, population covariance, range 255; averaged where the whole
    window lies inside the image.

    Args:
        reference: uint8 (H, W, C), both sides at least 11.
        image: of the same shape.

    Raises:
        ValueError: not uint8 (H, W, C), different shapes, or smaller than the window.
    """
    _check(reference, image)
    if min(reference.shape[:2]) <= 2 * SSIM_RADIUS:
        raise ValueError(f"SSIM needs images of at least 11 x 11 pixels, not {reference.shape[:2]}")
    # Sum and difference of the two images say the same with half the arithmetic: with A, B their squared means
    # and V, W their variances, SSIM = (A - B + 2 C1)(V - W + 2 C2) / ((A + B + 2 C1)(V + W + 2 C2)).
    total: Maps = cv2.add(reference, image, dtype=cv2.CV_32F).astype(np.float32, copy=False)
    total -= 255.0  # a shift leaves variances alone, and small squares are exact enough in float32
    apart: Maps = cv2.subtract(reference, image, dtype=cv2.CV_32F).astype(np.float32, copy=False)
    mean_total, mean_apart = _window(total), _window(apart)
    total *= total
    apart *= apart
    spread_total, spread_apart = _window(total), _window(apart)
    spread_total -= np.multiply(mean_total, mean_total, out=total)
    mean_apart *= mean_apart
    spread_apart -= mean_apart
    mean_total += 255.0
    mean_total *= mean_total
    similarity = _compared(mean_total, mean_apart, 2 * (SSIM_K1 * 255) ** 2)
    similarity *= _compared(spread_total, spread_apart, 2 * (SSIM_K2 * 255) ** 2)
    return float(np.mean(similarity[SSIM_RADIUS:-SSIM_RADIUS, SSIM_RADIUS:-SSIM_RADIUS], dtype=np.float64))


def _window(values: Maps) -> Maps:
    """Weighted mean of the window around each pixel (those at the border are cropped later)."""
    means = cv2.sepFilter2D(values, cv2.CV_32F, _KERNEL, _KERNEL)  # drops the axis of a single channel
    return means.reshape(values.shape).astype(np.float32, copy=False)


def _compared(total: Maps, apart: Maps, constant: float) -> Maps:
    """(total - apart + constant) / (total + apart + constant), in the place of ``total``."""
    both = total + apart
    both += constant
    total -= apart
    total += constant
    total /= both
    return total


def _check(reference: Image, image: Image) -> None:
    if reference.ndim != 3 or reference.dtype != np.uint8 or image.dtype != np.uint8:
        raise ValueError(f"images must be uint8 (H, W, C), not {reference.dtype} {reference.shape} and {image.dtype}")
    if reference.shape != image.shape:
        raise ValueError(f"the images differ in shape: {reference.shape} and {image.shape}")
