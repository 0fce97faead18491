"""Shadow."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake_pipeline.degrade.base import Image
from deepfake_pipeline.degrade.severity import STEPS

DISPLAY_GAMMA = 2.2
"""Pixel values are about light to the power of 1/2.2 (sRGB): a factor on light is a factor on them."""


@dataclass(frozen=True)
class Shadow:
    """The shadow of something beside the camera: one side of a straight, soft edge gets less light.

    The image is a mixture of itself lit and in shadow under a soft mask (Zhang et al. 2020, "Portrait shadow
    manipulation"). Lengths are shares of the shorter side, so that the shadow grows with the face.

    Args:
        stops: light missing in the full shadow; each stop halves it.
        direction: where the shadow lies, in radians from the right, clockwise as seen.
        offset: distance from the centre of the image to the middle of the edge, towards the shadow.
        softness: width of the edge, from no shadow to full shadow.
    """

    stops: float
    direction: float
    offset: float
    softness: float

    @classmethod
    def draw(cls, severity: float, rng: np.random.Generator) -> Self:
        """Any direction; the shadow takes between about a third and two thirds of the face."""
        return cls(
            stops=STEPS["shadow"].at(severity),
            direction=float(rng.uniform(0, 2 * pi)),
            offset=float(rng.uniform(-0.15, 0.15)),
            softness=float(rng.uniform(0.05, 0.4)),
        )

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Darker or equal copy, colours kept."""
        gain = self.gain(*image.shape[:2])
        shaded = cv2.multiply(image, cv2.merge([gain, gain, gain]), dtype=cv2.CV_8U)
        return shaded.astype(np.uint8, copy=False)

    def gain(self, height: int, width: int) -> NDArray[np.float32]:
        """What pixel values are multiplied by, ``(H, W)``: 1 in the light."""
        dark = 2.0 ** (-self.stops / DISPLAY_GAMMA)
        gain = self._mask(height, width)
        gain *= dark - 1
        gain += 1
        return gain

    def _mask(self, height: int, width: int) -> NDArray[np.float32]:
        """0 in the light, 1 in the shadow, a smooth step (3t² - 2t³) between."""
        scale = 1 / (min(height, width) * self.softness)
        x = (np.arange(width, dtype=np.float32) - (width - 1) / 2) * np.float32(cos(self.direction) * scale)
        y = (np.arange(height, dtype=np.float32) - (height - 1) / 2) * np.float32(sin(self.direction) * scale)
        ramp: NDArray[np.float32] = np.add.outer(y, x + np.float32(0.5 - self.offset / self.softness))
        np.clip(ramp, 0, 1, out=ramp)
        step = 3 - 2 * ramp
        step *= ramp
        step *= ramp
        return np.clip(step, 0, 1, out=step)
