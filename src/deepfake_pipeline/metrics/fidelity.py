"""How close an image is to its clean original, of one pair of uint8 images, fast: PSNR, SSIM, MS-SSIM, GMSD, MAE.

PSNR, SSIM and MAE of batches of tensors are in :mod:`deepfake_pipeline.metrics.fidelity_torch`.
"""

from __future__ import annotations

from typing import Any

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
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales, the finest first (Wang, Simoncelli and Bovik 2003)."""

_PREWITT = np.array([[1, 0, -1]] * 3, np.float32) / 3
_GMSD_C = 170.0
"""For a range of 255 (Xue et al. 2014)."""

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
    _check_window(reference, image)
    luminance, structure = _similarity_maps(reference, image)
    luminance *= structure
    return float(np.mean(luminance, dtype=np.float64))


def ms_ssim(reference: Image, image: Image) -> float:
    """Multi-scale structural similarity; 1 = identical.

    Wang, Simoncelli and Bovik 2003, "Multi-scale structural similarity for image quality assessment", eq. 7: contrast
    and structure at five scales, each half of the one before, and luminance at the coarsest. Window and constants as
    in :func:`ssim`; the mean of a scale is taken over the three channels, and below 0 counts as 0.

    The five scales need a side of 176 px. A smaller image has as many scales as its window fits into, and their
    weights are scaled to the same sum: its figure is comparable with those of images of its own size alone.

    Args:
        reference: uint8 (H, W, C), both sides at least 11.
        image: of the same shape.

    Raises:
        ValueError: as of :func:`ssim`.
    """
    _check_window(reference, image)
    scales = min(len(MS_SSIM_WEIGHTS), int(np.log2(min(reference.shape[:2]) / (2 * SSIM_RADIUS + 1))) + 1)
    weights = np.array(MS_SSIM_WEIGHTS[:scales])
    means = []
    one: NDArray[Any] = reference
    other: NDArray[Any] = image
    for scale in range(scales):
        luminance, structure = _similarity_maps(one, other)
        whole = luminance * structure if scale == scales - 1 else structure
        means.append(max(float(np.mean(whole, dtype=np.float64)), 0.0))
        one, other = _halved(one), _halved(other)
    return float(np.prod(np.array(means) ** (weights * (sum(MS_SSIM_WEIGHTS) / weights.sum()))))


def gmsd(reference: Image, image: Image) -> float:
    """Gradient magnitude similarity deviation, from 0 = identical up; about 0.35 is as bad as it gets.

    Xue, Zhang, Mou and Bovik 2014, "Gradient magnitude similarity deviation: a highly efficient perceptual image
    quality index": luma at half the size, Prewitt gradients, and the standard deviation of their similarity, since
    what is spoilt in places is seen more than what is changed evenly.

    Args:
        reference: uint8 (H, W, 3), RGB, both sides at least 2.
        image: of the same shape.

    Raises:
        ValueError: not uint8 (H, W, C), or different shapes.

    >>> step = np.repeat(np.uint8([[[0], [255]]]), 16, axis=1).repeat(32, axis=0).repeat(3, axis=2)
    >>> gmsd(step, step), round(gmsd(step, np.full_like(step, 128)), 2)
    (0.0, 0.4)
    """
    _check(reference, image)
    one, other = (_slope(_halved(cv2.cvtColor(each, cv2.COLOR_RGB2GRAY))) for each in (reference, image))
    similarity = (2 * one * other + _GMSD_C) / (one * one + other * other + _GMSD_C)
    return float(np.std(similarity, dtype=np.float64))


def share_within(reference: Image, image: Image, tolerance: int) -> float:
    """Share of the pixels whose three channels all lie within ``tolerance`` levels of the original, in [0, 1].

    Args:
        reference: uint8 (H, W, C).
        image: of the same shape.
        tolerance: levels, 0 to 255.

    Raises:
        ValueError: not uint8 (H, W, C), or different shapes.

    >>> grey = np.full((16, 16, 3), 100, np.uint8)
    >>> share_within(grey, grey + np.uint8(10), 10), share_within(grey, grey + np.uint8(10), 9)
    (1.0, 0.0)
    """
    _check(reference, image)
    return float(np.mean((cv2.absdiff(reference, image) <= tolerance).all(axis=2)))


def image_cosine(reference: Image, image: Image) -> float:
    """Cosine of the angle between two images as vectors of their values, in [0, 1]; 1 also for a mere change of light.

    Paper 002 reports such a cosine. It says little: as no value is negative, any two faces are alike by it.

    Args:
        reference: uint8 (H, W, C).
        image: of the same shape.

    Raises:
        ValueError: not uint8 (H, W, C), or different shapes.
    """
    _check(reference, image)
    one, other = (each.astype(np.float64).ravel() for each in (reference, image))
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / lengths if lengths else float(not (one.any() or other.any()))


def _similarity_maps(reference: NDArray[Any], image: NDArray[Any]) -> tuple[Maps, Maps]:
    """Similarity of luminance, and of contrast and structure, where the whole window lies inside the image."""
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
    inside = (slice(SSIM_RADIUS, -SSIM_RADIUS),) * 2
    luminance = _compared(mean_total, mean_apart, 2 * (SSIM_K1 * 255) ** 2)[inside]
    return luminance, _compared(spread_total, spread_apart, 2 * (SSIM_K2 * 255) ** 2)[inside]


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


def _halved(values: NDArray[Any]) -> Maps:
    """Mean of each 2 x 2 block; an odd last row or column is left out."""
    height, width = (side // 2 for side in values.shape[:2])
    even = values[: 2 * height, : 2 * width].astype(np.float32, copy=False)
    means = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)  # drops the axis of a single channel
    return means.reshape(height, width, *values.shape[2:]).astype(np.float32, copy=False)


def _slope(luma: Maps) -> Maps:
    """Length of the gradient by Prewitt's operator, levels a pixel; beyond the border lies black."""
    across, down = (
        cv2.filter2D(luma, cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT) for kernel in (_PREWITT, _PREWITT.T)
    )
    return np.hypot(across, down)


def _check_window(reference: Image, image: Image) -> None:
    _check(reference, image)
    if min(reference.shape[:2]) <= 2 * SSIM_RADIUS:
        raise ValueError(f"SSIM needs images of at least 11 x 11 pixels, not {reference.shape[:2]}")


def _check(reference: Image, image: Image) -> None:
    if reference.ndim != 3 or reference.dtype != np.uint8 or image.dtype != np.uint8:
        raise ValueError(f"images must be uint8 (H, W, C), not {reference.dtype} {reference.shape} and {image.dtype}")
    if reference.shape != image.shape:
        raise ValueError(f"the images differ in shape: {reference.shape} and {image.shape}")
