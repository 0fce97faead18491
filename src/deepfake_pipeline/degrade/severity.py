"""The one table of severities: what steps 1 to 5 of each degradation mean, and where they come from.

Lengths are in pixels of a face whose shorter side is 224 px and scale with the face, so that a severity takes
away the same detail of a face at 160 and at 256 px. What a codec or a sensor does to single pixels (JPEG quality,
share of dead pixels) does not scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

REFERENCE_SIDE = 224
"""Shorter side, in pixels, of the faces that lengths in the table refer to (the size of ImageNet-C)."""

SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Steps:
    """Five values of the one parameter that makes a degradation worse.

    Args:
        parameter: its name in the recipe.
        unit: what the numbers are.
        values: at severities 1 to 5.
        source: where the values are from.
    """

    parameter: str
    unit: str
    values: tuple[float, float, float, float, float]
    source: str

    def at(self, severity: float) -> float:
        """Value at a severity in [1, 5], on straight lines between the steps.

        >>> STEPS["gaussian_blur"].at(4), STEPS["gaussian_blur"].at(4.5)
        (4.0, 5.0)

        Raises:
            ValueError: the severity is out of range.
        """
        if not SEVERITIES[0] <= severity <= SEVERITIES[-1]:
            raise ValueError(f"severity {severity} is not in [{SEVERITIES[0]}, {SEVERITIES[-1]}]")
        return float(np.interp(severity, SEVERITIES, self.values))


_IMAGENET_C = "ImageNet-C: Hendrycks and Dietterich 2019, Benchmarking neural network robustness"

STEPS: dict[str, Steps] = {
    "gaussian_blur": Steps(
        parameter="sigma",
        unit="px of a face of 224 px",
        values=(1, 2, 3, 4, 6),
        source=f"{_IMAGENET_C}, gaussian_blur",
    ),
    "shadow": Steps(
        parameter="stops",
        unit="stops of light missing in the full shadow (each halves it)",
        values=(1, 2, 3, 4, 5),
        source="no published scale; a portrait's lit side and open shade differ by 1 to 3 stops, hard sun by 4 to 5",
    ),
    "salt_and_pepper": Steps(
        parameter="share",
        unit="share of the pixels that are black or white",
        values=(0.03, 0.06, 0.09, 0.17, 0.27),
        source=f"{_IMAGENET_C}, impulse_noise",
    ),
    "jpeg": Steps(
        parameter="quality",
        unit="quality of libjpeg, 1 to 100",
        values=(25, 18, 15, 10, 7),
        source=f"{_IMAGENET_C}, jpeg_compression",
    ),
}
