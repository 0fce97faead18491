"""What ails an image, told from the image alone: the strength of its noise, blur and JPEG compression."""

from __future__ import annotations

from functools import cache
from math import pi

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake_pipeline.restore.base import Image, Plane

_SECOND_DIFFERENCES = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_MEDIAN_OF_NORMAL = 0.6744897501960817
"""Median absolute value of a standard normal variable."""

_SMALLEST, _LARGEST = 32, 512
"""Sides in px between which blur is read off: a smaller image tells too little, of a larger one its middle is read."""

_BINS = 60
"""Rings of frequencies."""

_SIGMAS = np.arange(0.1, 12.05, 0.1)
_FALL = 2.5
"""Power of sharp pictures falls with the frequency to about this power: 2 to 3 (Ruderman 1994; faces are smooth)."""

_SLOWEST = 0.15
"""Radians a pixel; at lower frequencies the picture's layout outweighs its blur."""

_OWN_SOFTNESS = 0.9
"""px; what the spectrum tells of faces that nothing has blurred (0.7 to 1.8 of photographed ones, 0.7 of rendered)."""

_SHARP_EDGE = 1.15
"""px; the median of the strongest edges of sharp faces, photographed and rendered, is at most 1.1 px wide."""

_STRONGEST = 0.05
"""Share of the pixels that are taken for edges."""


def noise_sigma(image: Image) -> float:
    """Standard deviation of white noise, in levels of [0, 255]: the mean over the channels.

    Args:
        image: RGB uint8 (H, W, 3).
    """
    return sum(plane_noise_sigma(image[..., channel].astype(np.float32)) for channel in range(3)) / 3


def plane_noise_sigma(plane: Plane) -> float:
    """Standard deviation of white noise in one channel; 0 where a side is shorter than 3 px.

    The filter is that of Immerkær 1996, "Fast noise variance estimation": it cancels planes and leaves 6 sigma of
    the noise. The median of its absolute value (Donoho and Johnstone 1994) is moved less by edges than the mean.

    Args:
        plane: float32 (H, W).
    """
    if min(plane.shape) < 3:
        return 0.0
    response = np.abs(cv2.filter2D(plane, cv2.CV_32F, _SECOND_DIFFERENCES)[1:-1, 1:-1])
    return float(np.median(response)) / (6 * _MEDIAN_OF_NORMAL)


def blur_sigma(image: Image) -> float:
    """Sigma in px of the Gaussian blur that an image has gone through; 0 where it looks sharp.

    The power of a sharp picture is taken to fall as a power of the frequency w; a blur multiplies it by
    exp(-sigma² w²), on top of a floor of rounding and noise. The sigma is the one with which this fits the logarithm
    of the mean power of rings of frequencies best, less the softness of faces themselves. JPEG takes away high
    frequencies too, so the edges have a say: where the median of the strongest is as narrow as in a sharp image,
    nothing is blurred.

    Args:
        image: RGB uint8 (H, W, 3); of a side shorter than 32 px nothing can be told, and the answer is 0.
    """
    height, width = image.shape[:2]
    if min(height, width) < _SMALLEST:
        return 0.0
    top, left = max(0, height - _LARGEST) // 2, max(0, width - _LARGEST) // 2
    middle = image[top : top + _LARGEST, left : left + _LARGEST]
    luma = cv2.cvtColor(np.ascontiguousarray(middle), cv2.COLOR_RGB2GRAY).astype(np.float32)
    if _edge_sigma(luma) < _SHARP_EDGE:
        return 0.0
    return float(np.sqrt(max(_spectral_sigma(luma) ** 2 - _OWN_SOFTNESS**2, 0.0)))


def _edge_sigma(luma: Plane) -> float:
    """Median width in px of the strongest edges, each seen as a step behind a Gaussian.

    A second blur of 1 px lowers the slope of a step of width s by sqrt(s² + 1) / s (Zhuo and Sim 2011, "Defocus map
    estimation from a single image"). A flat image has no edges and is sharp: 0.
    """
    slope = _slope(luma)
    strongest = slope >= max(float(np.quantile(slope, 1 - _STRONGEST)), 1.0)
    strongest &= slope >= cv2.dilate(slope, np.ones((3, 3), np.uint8))
    if not strongest.any():
        return 0.0
    again = _slope(cv2.GaussianBlur(luma, (9, 9), 1.0, borderType=cv2.BORDER_REFLECT).astype(np.float32))
    ratio = np.maximum(slope[strongest] / np.maximum(again[strongest], 1e-3), 1.0001)
    return float(np.median(1 / np.sqrt(ratio**2 - 1)))


def _slope(luma: Plane) -> Plane:
    """Length of the gradient, in levels a pixel."""
    across, down = cv2.Scharr(luma, cv2.CV_32F, 1, 0), cv2.Scharr(luma, cv2.CV_32F, 0, 1)
    return np.hypot(across, down) / np.float32(32)


def _spectral_sigma(luma: Plane) -> float:
    power, frequency = _ring_power(luma)
    floor = max(float(np.median(power[-10:])), 0.02)  # at least a quarter of what rounding to whole levels makes
    kept = frequency > _SLOWEST
    power, frequency = power[kept], frequency[kept]
    shapes = frequency**-_FALL * np.exp(-np.outer(_SIGMAS**2, frequency**2))
    scale = np.exp(np.mean(np.log(power[:6]) - np.log(shapes[:, :6]), axis=1, keepdims=True))
    errors = np.mean((np.log(power) - np.log(scale * shapes + floor)) ** 2, axis=1)
    return float(_SIGMAS[np.argmin(errors)])


def _ring_power(luma: Plane) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean power of the cosine transform in rings of frequencies, and their frequencies in radians a pixel."""
    from scipy.fft import dctn  # late: the command line starts without it

    power = dctn(luma, norm="ortho").astype(np.float64) ** 2
    height, width = power.shape
    radius = np.hypot(np.arange(height)[:, None] / height, np.arange(width) / width)
    ring = np.minimum((radius * _BINS).astype(np.intp), _BINS).ravel()
    count = np.bincount(ring, minlength=_BINS + 1)[:_BINS]
    total = np.bincount(ring, power.ravel(), _BINS + 1)[:_BINS]
    filled = count > 0
    frequency = np.asarray((np.arange(_BINS) + 0.5) * (pi / _BINS), np.float64)
    mean = np.asarray(total[filled] / count[filled], np.float64)
    return np.maximum(mean, 1e-6), frequency[filled]


_LUMA_TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA_TABLE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99, 99, 99, 99, 99, 99, 99, 99),) * 4,
)
"""Tables K.1 and K.2 of the JPEG standard (ITU-T T.81), which libjpeg scales."""


def luma_steps(quality: int) -> Plane:
    """Quantisation steps (8, 8) of libjpeg for luma, vertical frequency first, at a quality from 1 to 100."""
    return _scaled(_LUMA_TABLE, quality)


def chroma_steps(quality: int) -> Plane:
    """As :func:`luma_steps`, for chroma."""
    return _scaled(_CHROMA_TABLE, quality)


def _scaled(table: tuple[tuple[int, ...], ...], quality: int) -> Plane:
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((np.array(table) * percent + 50) // 100, 1, 255).astype(np.float32)


def jpeg_quality(image: Image) -> int | None:
    """Quality, 1 to 100, with which libjpeg last saved this image, its blocks starting at the top left; None if not so.

    Quantised coefficients of 8 x 8 blocks are whole multiples of their step. Of the 100 tables, the one is chosen
    under which the coefficients that are not zero are most likely: near a multiple, and not by chance, as with small
    steps (after Fan and de Queiroz 2003, "Identification of bitmap compression history").

    Args:
        image: RGB uint8 (H, W, 3); of a large one the middle is read.
    """
    coefficients = _block_coefficients(image)
    kept = np.abs(coefficients) > _NOT_ZERO
    if kept.sum() < _FEWEST_COEFFICIENTS:
        return None
    values, tables, column = coefficients[kept], _quality_steps(), np.nonzero(kept)[1]
    likelihood = np.empty(len(tables))
    for row, (table, logarithms) in enumerate(zip(tables, np.log(tables), strict=True)):
        apart = _apart(values, table[column])
        likelihood[row] = np.mean(logarithms[column] - np.minimum(apart**2, 9.0) / 2)
    best = int(np.argmax(likelihood))
    return best + 1 if np.mean(_apart(values, tables[best][column]) < 3) > 0.5 else None


def _apart(values: NDArray[np.float32], step: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far values are from a multiple of their step, in deviations that rounding pixels causes."""
    return np.abs(values - step * np.rint(values / step)) / np.float32(_ROUNDING)


_NOT_ZERO, _ROUNDING, _FEWEST_COEFFICIENTS = 1.5, 0.6, 50
"""Levels from which a coefficient is not zero; deviation that rounding pixels puts on one; how many are needed."""

_DIAGONAL = np.add.outer(np.arange(8), np.arange(8))
_READ = (_DIAGONAL > 0) & (_DIAGONAL <= 5)
"""Coefficients that are read: the lowest frequencies, without the mean."""


@cache
def _quality_steps() -> NDArray[np.float32]:
    """Steps (100, n) of the coefficients that are read, at qualities 1 to 100."""
    return np.stack([luma_steps(quality)[_READ] for quality in range(1, 101)])


def _block_coefficients(image: Image) -> NDArray[np.float32]:
    """Cosine coefficients (N, n) of the blocks of luma in which no channel of a pixel was clipped."""
    from scipy.fft import dctn  # late: the command line starts without it

    height, width = image.shape[:2]
    top, left = max(0, height - _LARGEST) // 16 * 8, max(0, width - _LARGEST) // 16 * 8
    rows, columns = min(height, _LARGEST) // 8, min(width, _LARGEST) // 8
    middle = image[top : top + 8 * rows, left : left + 8 * columns].astype(np.float32)
    luma = middle @ np.array([0.299, 0.587, 0.114], np.float32)
    blocks = luma.reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3).reshape(-1, 8, 8)
    clipped = ((middle == 0) | (middle == 255)).any(axis=2)
    whole = ~clipped.reshape(rows, 8, columns, 8).any(axis=(1, 3)).ravel()
    return dctn(blocks[whole] - np.float32(128), axes=(1, 2), norm="ortho")[:, _READ]
