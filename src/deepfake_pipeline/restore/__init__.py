"""Repairs of degraded images: the classical filters, which a network has to beat, behind one small interface.

A family is one module; a repair is one frozen dataclass in it and one line here. All are blind: how strong noise,
blur or compression is, they read off the image (:mod:`deepfake_pipeline.restore.estimate`), never off the recipe.
Defaults were set on train faces and rendered ones; which repair suits which degradation is chosen on validation
(:mod:`deepfake_pipeline.restore.router`).
"""

from deepfake_pipeline.restore.base import Identity, Repair
from deepfake_pipeline.restore.blocking import JpegDeblocking
from deepfake_pipeline.restore.blur import RichardsonLucy, Unsharp, Wiener
from deepfake_pipeline.restore.light import Clahe, Gamma, RetinexShadow, ShadowEdge
from deepfake_pipeline.restore.noise import AdaptiveMedian, Bilateral, Median, NonLocalMeans, Wavelet

__all__ = ["MADE_FOR", "REPAIRS", "Repair"]

REPAIRS: dict[str, Repair] = {
    "identity": Identity(),
    "median3": Median(3),
    "median5": Median(5),
    "adaptive_median": AdaptiveMedian(),
    "non_local_means": NonLocalMeans(),
    "wavelet": Wavelet(),
    "bilateral": Bilateral(),
    "unsharp": Unsharp(),
    "wiener": Wiener(),
    "richardson_lucy": RichardsonLucy(),
    "clahe": Clahe(),
    "gamma": Gamma(),
    "retinex_shadow": RetinexShadow(),
    "shadow_edge": ShadowEdge(),
    "jpeg_deblocking": JpegDeblocking(),
}
"""Name of a repair, as in tables and parameters, to the repair with its default parameters."""

MADE_FOR: dict[str, str] = {
    "gaussian_blur": "wiener",
    "defocus": "wiener",
    "shadow": "shadow_edge",
    "salt_and_pepper": "adaptive_median",
    "jpeg": "jpeg_deblocking",
    "low_light": "gamma",
}
"""Name of a degradation to that of the repair made for it, which a network may follow; of the others there is none."""
