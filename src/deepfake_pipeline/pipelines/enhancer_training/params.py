"""Parameters of the enhancer's training."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from deepfake_pipeline.models import ENHANCERS
from deepfake_pipeline.pipelines.training_params import NetworkTrainingParams
from deepfake_pipeline.training.config import EnhancerTraining
from deepfake_pipeline.training.presets import ENHANCER_PRESETS, Preset, PresetName


class EnhancerParams(NetworkTrainingParams[EnhancerTraining]):
    """Which network restores, and how it is trained."""

    networks: ClassVar[dict[str, Any]] = ENHANCERS
    presets: ClassVar[dict[PresetName, Preset[Any]]] = ENHANCER_PRESETS

    network: str = Field(default="recurrent_unet", description=f"One of {', '.join(ENHANCERS)}.")
