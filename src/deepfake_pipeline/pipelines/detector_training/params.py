"""Parameters of the detector's training."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from deepfake_pipeline.models import DETECTORS
from deepfake_pipeline.pipelines.training_params import NetworkTrainingParams
from deepfake_pipeline.training.config import DetectorTraining
from deepfake_pipeline.training.presets import DETECTOR_PRESETS, Preset, PresetName


class DetectorParams(NetworkTrainingParams[DetectorTraining]):
    """Which network judges, and how it is trained."""

    networks: ClassVar[dict[str, Any]] = DETECTORS
    presets: ClassVar[dict[PresetName, Preset[Any]]] = DETECTOR_PRESETS

    network: str = Field(default="residual_energy", description=f"One of {', '.join(DETECTORS)}.")
