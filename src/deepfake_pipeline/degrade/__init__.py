"""Image degradations and recipes of them: what makes a face hard to judge, at five severities, repeatable.

A degradation is one frozen dataclass and one line here, in its family; its severities and where they come from stand
in :data:`deepfake_pipeline.degrade.severity.STEPS`. Blur, shadow and salt-and-pepper are those of Pitsun 2026, "Web
framework for improving deepfake images", which names them and gives no parameters; JPEG, JPEG2000, white noise,
Gaussian blur and fast fading are those of the LIVE set, by which image quality is judged; WebP and H.264 are what
uploads and videos go through.

A recipe makes one degradation again from (face_id, degradation, severity, seed), the same bytes in any process under
the pinned versions of numpy, OpenCV, Pillow and PyAV, which carry the codecs. A chain is several recipes in a row.
"""

from deepfake_pipeline.degrade.base import Degradation
from deepfake_pipeline.degrade.blur import Defocus, GaussianBlur, MotionBlur
from deepfake_pipeline.degrade.compression import Jpeg, Webp
from deepfake_pipeline.degrade.jpeg2000 import FastFading, Jpeg2000
from deepfake_pipeline.degrade.light import LowLight
from deepfake_pipeline.degrade.noise import PoissonNoise, SaltAndPepper, WhiteNoise
from deepfake_pipeline.degrade.recipe import Recipe, apply, apply_chain, draw_recipe, random_chain, random_recipe
from deepfake_pipeline.degrade.resolution import DownscaleUpscale
from deepfake_pipeline.degrade.severity import SEVERITIES
from deepfake_pipeline.degrade.shadow import Shadow
from deepfake_pipeline.degrade.video import H264

__all__ = [
    "DEGRADATIONS",
    "FAMILIES",
    "SEVERITIES",
    "Degradation",
    "Recipe",
    "apply",
    "apply_chain",
    "draw_recipe",
    "random_chain",
    "random_recipe",
]

FAMILIES: dict[str, dict[str, type[Degradation]]] = {
    "blur": {"gaussian_blur": GaussianBlur, "motion_blur": MotionBlur, "defocus": Defocus},
    "resolution": {"downscale_upscale": DownscaleUpscale},
    "light": {"shadow": Shadow, "low_light": LowLight},
    "noise": {"salt_and_pepper": SaltAndPepper, "white_noise": WhiteNoise, "poisson_noise": PoissonNoise},
    "compression": {
        "jpeg": Jpeg,
        "webp": Webp,
        "jpeg2000": Jpeg2000,
        "fast_fading": FastFading,
        "h264": H264,
    },
}
"""Degradations by what they take from a face; a chain takes at most one of a family at a time."""

DEGRADATIONS: dict[str, type[Degradation]] = {
    name: kind for family in FAMILIES.values() for name, kind in family.items()
}
"""Name of a degradation, as in recipes and parameters, to its class."""
