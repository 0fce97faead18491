"""Against noise: medians for dead pixels; non-local means, wavelets, bilateral filter for noise as of a sensor."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from deepfake_pipeline.restore.base import Image, Repair, rounded
from deepfake_pipeline.restore.estimate import noise_sigma, plane_noise_sigma

_LEAST_NOISE = 0.05
"""Levels. Below it there is nothing to remove: rounding to whole levels alone makes 0.29."""

_SMALLEST = 8
"""Side in px below which a wavelet sees little but the border."""


@dataclass(frozen=True)
class Median(Repair):
    """Median of a square window, channel by channel; the border is repeated outwards.

    Args:
        size: side of the window in px, odd.
    """

    size: int = 3

    def _repair(self, image: Image) -> Image:
        return cv2.medianBlur(image, self.size).astype(np.uint8, copy=False)


@dataclass(frozen=True)
class AdaptiveMedian(Repair):
    """Decision-based median for salt and pepper: only pixels that look hit change, by neighbours that do not.

    A pixel looks hit that is black or white in all three channels, unless most of the window around it is the same:
    a dark background is not noise. It becomes the median of the pixels in the smallest window from 3 x 3 up that are
    neither black nor white (Hwang and Haddad 1995, "Adaptive median filters"; Esakkirajan et al. 2011, "Removal of
    high density salt and pepper noise through modified decision based unsymmetric trimmed median filter", for leaving
    out the extremes), and where there are none the median of 5 x 5.

    Args:
        largest: side of the largest window in px, odd. 7 finds a neighbour of nearly every pixel up to a share of
            80 % of noise.
    """

    largest: int = 7

    def _repair(self, image: Image) -> Image:
        hit = _looks_hit(image)
        repaired = image.copy()
        extreme = (image == 0).all(axis=2) | (image == 255).all(axis=2)
        left = np.argwhere(hit)
        for radius in range(1, self.largest // 2 + 1):
            found, medians = _trimmed_medians(image, extreme, left, radius)
            rows, columns = left[found].T
            repaired[rows, columns] = medians
            left = left[~found]
        rows, columns = left.T
        repaired[rows, columns] = cv2.medianBlur(image, 5)[rows, columns]
        return repaired


def _looks_hit(image: Image) -> NDArray[np.bool_]:
    """Pixels (H, W) at an end of the range, in fewer than half of the 5 x 5 pixels around them."""
    hit = np.zeros(image.shape[:2], bool)
    for value in (0, 255):
        extreme = (image == value).all(axis=2)
        share = cv2.blur(extreme.astype(np.float32), (5, 5), borderType=cv2.BORDER_REPLICATE)
        hit |= extreme & (share < 0.5)
    return hit


def _trimmed_medians(
    image: Image, extreme: NDArray[np.bool_], pixels: NDArray[np.intp], radius: int
) -> tuple[NDArray[np.bool_], Image]:
    """Which of ``pixels`` (N, 2) have a neighbour that is not extreme, and the median (M, 3) of those neighbours."""
    side, (rows, columns) = 2 * radius + 1, pixels.T
    around = np.pad(image, ((radius, radius), (radius, radius), (0, 0)), mode="edge")
    windows = sliding_window_view(around, (side, side), axis=(0, 1))[rows, columns].reshape(-1, 3, side * side)
    left_out = sliding_window_view(np.pad(extreme, radius, mode="edge"), (side, side))[rows, columns]
    left_out = left_out.reshape(-1, side * side)
    count = side * side - left_out.sum(axis=1)
    found = count > 0
    ordered = np.where(left_out[found][:, None], np.uint16(999), windows[found])
    ordered.sort(axis=2)  # what is left out comes last
    each, count = np.arange(len(ordered)), count[found]
    middle = ordered[each, :, (count - 1) // 2] + ordered[each, :, count // 2]
    return found, ((middle + 1) // 2).astype(np.uint8)


@dataclass(frozen=True)
class NonLocalMeans(Repair):
    """Non-local means: each pixel the mean of those whose surroundings look alike (Buades, Coll and Morel 2005).

    The fast version of scikit-image (Darbon et al. 2008), with the noise's variance taken off the distances; the
    strength follows the noise that the image itself shows.

    Args:
        strength: cut-off in units of the noise's standard deviation; scikit-image recommends somewhat below 1.
        patch: side of the surroundings in px.
        reach: farthest shift in px in which they are looked for.
    """

    strength: float = 0.6
    patch: int = 5
    reach: int = 6

    def _repair(self, image: Image) -> Image:
        from skimage.restoration import denoise_nl_means  # late: it loads scipy

        sigma = noise_sigma(image)
        if sigma < _LEAST_NOISE:
            return image.copy()
        smooth = denoise_nl_means(
            image.astype(np.float32),
            self.patch,
            self.reach,
            h=self.strength * sigma,
            sigma=sigma,
            channel_axis=-1,
            preserve_range=True,
        )
        return rounded(smooth)


@dataclass(frozen=True)
class Wavelet(Repair):
    """Soft shrinkage of wavelet coefficients by BayesShrink (Chang, Yu and Vetterli 2000), in luma and chroma.

    Args:
        wavelet: name in PyWavelets; orthogonal.
    """

    wavelet: str = "db2"

    def _repair(self, image: Image) -> Image:
        from skimage.restoration import denoise_wavelet  # late: it loads scipy and PyWavelets

        if min(image.shape[:2]) < _SMALLEST:
            return image.copy()
        planes = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2YCrCb)
        for channel in range(3):
            plane = np.ascontiguousarray(planes[..., channel])
            sigma = plane_noise_sigma(plane)
            if sigma < _LEAST_NOISE:
                continue
            planes[..., channel] = denoise_wavelet(plane, sigma, self.wavelet, rescale_sigma=False)
        return rounded(cv2.cvtColor(planes, cv2.COLOR_YCrCb2RGB))


@dataclass(frozen=True)
class Bilateral(Repair):
    """Mean of near pixels of near colours (Tomasi and Manduchi 1998).

    Its range follows the noise that the image itself shows, as Zhang and Gunturk 2008, "Multiresolution bilateral
    filtering", find best: in proportion to it, with a spatial sigma of about 2 px.

    Args:
        strength: sigma of the range, in standard deviations of the noise. OpenCV measures colours by the sum of the
            differences of three channels, which noise makes 3.4 deviations apart on average.
        sigma: of the distance, in px.
    """

    strength: float = 5.0
    sigma: float = 2.0

    def _repair(self, image: Image) -> Image:
        noise = noise_sigma(image)
        if noise < _LEAST_NOISE:
            return image.copy()
        side = 2 * round(2 * self.sigma) + 1
        smooth = cv2.bilateralFilter(image, side, self.strength * noise, self.sigma, borderType=cv2.BORDER_REFLECT)
        return smooth.astype(np.uint8, copy=False)
