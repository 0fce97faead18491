"""The one table of severities: what steps 1 to 5 of each degradation mean, and where they come from.

Lengths are in pixels of a face whose shorter side is 224 px and scale with the face, so that a severity takes
away the same detail of a face at 160 and at 256 px. What a codec or a sensor does to single pixels (JPEG quality,
share of dead pixels), and a factor between two sizes, does not scale.
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
_LIVE = "the LIVE set: Sheikh, Sabir and Bovik 2006, A statistical evaluation of quality assessment algorithms"

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
    "motion_blur": Steps(
        parameter="length",
        unit="px of a face of 224 px",
        values=(5, 8, 12, 17, 24),
        source="no published scale of straight streaks; ours, in about even ratios",
    ),
    "defocus": Steps(
        parameter="radius",
        unit="px of a face of 224 px",
        values=(3, 4, 6, 8, 10),
        source=f"{_IMAGENET_C}, defocus_blur",
    ),
    "downscale_upscale": Steps(
        parameter="factor",
        unit="factor by which both sides shrink",
        values=(2, 3, 4, 6, 8),
        source="2, 3, 4 and 8 are those of super-resolution benchmarks (NTIRE 2017 and 2018); 6 is ours",
    ),
    "white_noise": Steps(
        parameter="sigma",
        unit="share of the full range",
        values=(0.08, 0.12, 0.18, 0.26, 0.38),
        source=f"{_IMAGENET_C}, gaussian_noise",
    ),
    "poisson_noise": Steps(
        parameter="photons",
        unit="photons in a value of 255",
        values=(60, 25, 12, 5, 3),
        source=f"{_IMAGENET_C}, shot_noise",
    ),
    "low_light": Steps(
        parameter="gamma",
        unit="exponent on values in [0, 1]",
        values=(1.5, 2, 2.7, 3.7, 5),
        source="range of Lv et al. 2021, Attention guided low-light image enhancement; even ratios between are ours",
    ),
    "webp": Steps(
        parameter="quality",
        unit="quality of libwebp, 1 to 100",
        values=(75, 40, 20, 8, 1),
        source="no published scale; ours",
    ),
    "jpeg2000": Steps(
        parameter="rate",
        unit="bits a pixel",
        values=(0.8, 0.5, 0.3, 0.2, 0.12),
        source=f"codec of {_LIVE}; rates are ours",
    ),
    "fast_fading": Steps(
        parameter="snr",
        unit="dB a bit at the receiver, mean over fades",
        values=(40, 36, 32, 28, 24),
        source=f"channel, and 2.5 bits a pixel sent, of {_LIVE}; its streams were error-resilient, so ratios are ours",
    ),
    "h264": Steps(
        parameter="qp",
        unit="quantisation parameter of H.264, 0 to 51",
        values=(23, 30, 35, 40, 45),
        source="23 and 40 are those of Rössler et al. 2019, FaceForensics++; the others are ours",
    ),
}


def as_markdown() -> str:
    """The table of severities for the documentation, one row a degradation."""
    head = ["Degradation", "Parameter", "Unit", *map(str, SEVERITIES), "Source"]
    rows = [
        [f"`{name}`", f"`{steps.parameter}`", steps.unit, *(f"{value:g}" for value in steps.values), steps.source]
        for name, steps in STEPS.items()
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows]) + "\n"
