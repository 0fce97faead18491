"""Too little light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from deepfake_pipeline.degrade.base import Image
from deepfake_pipeline.degrade.noise import rounded
from deepfake_pipeline.degrade.severity import STEPS

PHOTONS = 500.0
"""Light, in photons, of a value of 255 after darkening: a small sensor at high gain."""


@dataclass(frozen=True)
class LowLight:
    """A face in the dark: a gamma curve and a gain, then the noise of a sensor that is short of light.

    The curve is that of Lv, Li and Lu 2021, "Attention guided low-light image enhancement": gain · value^gamma. The
    noise is Poisson's and the electronics' together, as one Gaussian whose variance grows with the value (Foi et al.
    2008, "Practical Poissonian-Gaussian noise modeling").

    Args:
        gamma: above 1 darkens, dark parts most.
        gain: factor after the curve, in (0, 1].
        read_noise: standard deviation of the electronics' noise, as a share of the full range.
    """

    gamma: float
    gain: float
    read_noise: float

    @classmethod
    def draw(cls, severity: float, rng: np.random.Generator) -> Self:
        """Gain as those authors draw it (β·α^γ, β in [0.5, 1], α in [0.9, 1]); the electronics' noise is ours."""
        gamma = STEPS["low_light"].at(severity)
        return cls(
            gamma=gamma,
            gain=float(rng.uniform(0.5, 1) * rng.uniform(0.9, 1) ** gamma),
            read_noise=float(rng.uniform(0.004, 0.02)),
        )

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Darker, noisy copy."""
        value = self.gain * (np.arange(256) / 255) ** self.gamma
        sigma = np.sqrt(value / PHOTONS + self.read_noise**2)
        noisy = rng.standard_normal(image.shape, dtype=np.float32)
        noisy *= (255 * sigma).astype(np.float32)[image]
        noisy += (255 * value).astype(np.float32)[image]
        return rounded(noisy)
