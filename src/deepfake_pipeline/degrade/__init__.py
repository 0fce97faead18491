"""Image degradations and recipes of them: what makes a face hard to judge, at five severities, repeatable.

A family is one module; a degradation is one frozen dataclass in it and one line here; its severities stand in
:data:`deepfake_pipeline.degrade.severity.STEPS`. Blur, shadow and salt-and-pepper are those of Pitsun 2026, "Web
framework for improving deepfake images", which names them and gives no parameters; JPEG is what uploads go through.
"""

from deepfake_pipeline.degrade.base import Degradation
from deepfake_pipeline.degrade.blur import GaussianBlur
from deepfake_pipeline.degrade.compression import Jpeg
from deepfake_pipeline.degrade.noise import SaltAndPepper
from deepfake_pipeline.degrade.recipe import Recipe, apply, draw_recipe, random_recipe
from deepfake_pipeline.degrade.severity import SEVERITIES
from deepfake_pipeline.degrade.shadow import Shadow

__all__ = ["DEGRADATIONS", "SEVERITIES", "Degradation", "Recipe", "apply", "draw_recipe", "random_recipe"]

DEGRADATIONS: dict[str, type[Degradation]] = {
    "gaussian_blur": GaussianBlur,
    "shadow": Shadow,
    "salt_and_pepper": SaltAndPepper,
    "jpeg": Jpeg,
}
"""Name of a degradation, as in recipes and parameters, to its class."""
