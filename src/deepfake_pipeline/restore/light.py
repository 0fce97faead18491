"""Against bad light: local and global contrast, Retinex, and the fit of one soft shadow."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import log, pi
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake_pipeline.restore.base import Image, Plane, Repair, rounded

_BRIGHTEST_GAIN = 4.0
"""Pixel values are raised by at most this factor, about four stops of light: what is darker is noise."""


@dataclass(frozen=True)
class Clahe(Repair):
    """Contrast-limited adaptive histogram equalisation of lightness (Zuiderveld 1994), colours kept.

    Args:
        clip: highest bin of a tile's histogram, in units of the mean bin; OpenCV's documentation takes 2.
        tiles: on each side.
    """

    clip: float = 2.0
    tiles: int = 8

    def _repair(self, image: Image) -> Image:
        if min(image.shape[:2]) < self.tiles:
            return image.copy()  # a tile would be less than a pixel
        lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
        lab[..., 0] = cv2.createCLAHE(self.clip, (self.tiles, self.tiles)).apply(np.ascontiguousarray(lab[..., 0]))
        return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB).astype(np.uint8, copy=False)


@dataclass(frozen=True)
class Gamma(Repair):
    """Gamma that brings the mean of a dark image up to a target; a bright one stays as it is.

    The exponent is log(target) / log(mean), the usual automatic gamma.

    Args:
        target: mean as a share of the range; faces of the DFDC set have about 0.37 on average.
        least: smallest exponent.
    """

    whole: ClassVar[bool] = True

    target: float = 0.35
    least: float = 0.5

    def _repair(self, image: Image) -> Image:
        mean = float(np.clip(image.mean() / 255, 1e-3, 0.99))
        exponent = min(max(log(self.target) / log(mean), self.least), 1.0)
        return rounded(255 * (np.arange(256) / 255) ** exponent)[image]


@dataclass(frozen=True)
class RetinexShadow(Repair):
    """Single-scale Retinex that only brightens (Jobson, Rahman and Woodell 1997, "Properties of the center/surround
    retinex"): light is what a wide Gaussian leaves of log intensity, and part of its unevenness is taken back.

    Args:
        scale: sigma of the Gaussian as a share of the shorter side.
        strength: how much of the unevenness is taken back, in [0, 1]; a face is uneven by itself.
        lit: quantile of the light that counts as fully lit.
    """

    scale: float = 0.12
    strength: float = 0.65
    lit: float = 0.85

    def _repair(self, image: Image) -> Image:
        intensity = _log_intensity(image)
        sigma = self.scale * min(image.shape[:2])
        light = cv2.GaussianBlur(intensity, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
        missing = np.float32(self.strength) * (np.float32(np.quantile(light, self.lit)) - light)
        return _brightened(image, missing)


@dataclass(frozen=True)
class ShadowEdge(Repair):
    """The straight, soft shadow that explains most of the picture's log intensity, taken back.

    The model of a shadow as a soft mask on light (Zhang et al. 2020, "Portrait shadow manipulation"), fitted by least
    squares over a grid of directions, offsets and widths of the edge.

    Args:
        strength: share of the shadow that is taken back, in [0, 1].
        natural: depth, as a logarithm of the factor on pixel values, that faces show without a shadow on them (hair,
            the side away from the light); it stays.
    """

    whole: ClassVar[bool] = True

    strength: float = 0.9
    natural: float = 0.2

    def _repair(self, image: Image) -> Image:
        small = cv2.resize(_log_intensity(image), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).ravel()
        candidates, centred = _shadow_bank()
        power = np.einsum("nk,nk->n", centred, centred)
        depth = -(centred @ (small - small.mean())) / power
        explained = np.where(depth > 0, depth**2 * power, 0)
        best = int(np.argmax(explained))
        excess = np.float32(self.strength * max(float(depth[best]) - self.natural, 0.0))
        (height, width), result = image.shape[:2], np.empty_like(image)
        for top in range(0, height, _STRIP):
            rows = slice(top, top + _STRIP)
            result[rows] = _brightened(image[rows], excess * _shadow_mask(height, width, *candidates[best], rows))
        return result


_SIDE = 32
"""Shadows are looked for on a thumbnail of this side."""

_STRIP = 256
"""Rows in which a shadow is taken off a picture, which may be large, at a time."""


@cache
def _shadow_bank() -> tuple[list[tuple[float, float, float]], NDArray[np.float32]]:
    """Direction, offset and softness of candidate shadows, and their masks (N, pixels) less their means."""
    candidates = [
        (turn * 2 * pi / 24, offset, softness)
        for turn in range(24)
        for offset in (-0.2, -0.15, -0.1, -0.05, 0.0, 0.05, 0.1, 0.15, 0.2)
        for softness in (0.1, 0.25, 0.4)
    ]
    masks = np.stack([_shadow_mask(_SIDE, _SIDE, *candidate).ravel() for candidate in candidates])
    return candidates, masks - masks.mean(axis=1, keepdims=True)


def _shadow_mask(
    height: int, width: int, direction: float, offset: float, softness: float, rows: slice = slice(None)
) -> Plane:
    """0 in the light, 1 in the shadow; lengths are shares of the sides, so that a thumbnail's mask fits the image.

    Of an image of this height and width, the rows that are asked for.
    """
    x = ((np.arange(width) + 0.5) / width - 0.5) * np.cos(direction)
    y = ((np.arange(height)[rows] + 0.5) / height - 0.5) * np.sin(direction)
    ramp = np.clip((np.add.outer(y, x) - offset) / softness + 0.5, 0, 1).astype(np.float32)
    return ramp * ramp * (3 - 2 * ramp)


def _log_intensity(image: Image) -> Plane:
    """Natural logarithm of the mean of the channels; one level more, so that black is finite."""
    intensity = np.asarray(image.mean(axis=2, dtype=np.float32))
    intensity += 1
    return np.log(intensity, out=intensity)


def _brightened(image: Image, gain: Plane) -> Image:
    """Pixels times the exponential of a gain (H, W), which is held between 1 and the largest gain; colours kept."""
    factor = np.exp(np.clip(gain, 0, np.float32(log(_BRIGHTEST_GAIN))))
    return rounded((image.astype(np.float32) + 1) * factor[..., None] - 1)
