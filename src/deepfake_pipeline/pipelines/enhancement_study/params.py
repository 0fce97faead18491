"""Parameters of the study."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator, model_validator

from deepfake_pipeline.degrade import DEGRADATIONS
from deepfake_pipeline.models import DETECTORS
from deepfake_pipeline.models.store import network_config
from deepfake_pipeline.restore import REPAIRS
from deepfake_pipeline.training.config import DetectorTraining, JointTraining
from deepfake_pipeline.training.presets import DETECTOR_PRESETS, JOINT_PRESETS, PresetName, resolved

RepairName = Literal["none", "best_classical", "enhancer", "router", "joint"]
PAPERS_DEGRADATIONS = (
    "gaussian_blur",
    "shadow",
    "salt_and_pepper",
    "jpeg",
    "jpeg2000",
    "white_noise",
    "fast_fading",
    "h264",
)
"""Blur, shadow and salt-and-pepper of paper 000, the five kinds of the LIVE set of paper 001 (blur is one of them), and
the compression of videos, in which most forgeries are met."""


class EnhancementStudyParams(BaseModel):
    """What is compared, on how many faces, and how detectors are trained for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    detectors: tuple[str, ...] = Field(default=("cnn3", "meso4"), min_length=1, description="Networks that judge.")
    network_config: dict[str, dict[str, Any]] = Field(
        default={}, description="Fields of a network's own configuration, by the detector's name."
    )
    preset: PresetName = Field(default="small", description="Of the training: sample, paper, small or full.")
    training: dict[str, Any] = Field(default={}, description="Settings of every detector instead of the preset's.")
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1, description="Each detector is trained once with each.")
    control_share: float = Field(
        default=0.5, gt=0, le=1, description="Share of the groups whose faces are degraded when controls are trained."
    )
    joint_training: dict[str, Any] = Field(
        default={}, description="Settings of the enhancer's further training with a detector, instead of the preset's."
    )
    degradations: tuple[str, ...] = Field(default=PAPERS_DEGRADATIONS, min_length=1, description="By name.")
    severities: tuple[int, ...] = Field(default=(1, 2, 3, 4, 5), min_length=1, description="1 to 5.")
    repairs: tuple[RepairName, ...] = Field(
        default=("none", "best_classical", "enhancer", "router", "joint"),
        min_length=1,
        description="Ways of repairing a face before it is judged; one whose network is not there is left out.",
    )
    faces: int = Field(default=1000, ge=2, description="Test faces at most, in whole groups.")
    slow_faces: int = Field(default=200, ge=2, description="Of those, at most as many are given to slow repairs.")
    slow_repairs: tuple[str, ...] = Field(
        default=("non_local_means", "jpeg_deblocking", "joint"),
        description="Classical repairs, and ways of repairing, that are done to slow_faces of the faces.",
    )
    choice_faces: int = Field(
        default=24, ge=1, description="Validation faces at most, in whole groups, that choose the classical repairs."
    )
    resamples: int = Field(default=2000, ge=100, le=100_000, description="Resamples of the bootstrap, by group.")
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0, description="Level of intervals and verdicts.")

    @field_validator("detectors", "degradations", "slow_repairs", "seeds", "severities", "repairs")
    @classmethod
    def _once(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(values)) < len(values):
            raise ValueError(f"{', '.join(map(str, values))}: each may be given once")
        return values

    @model_validator(mode="after")
    def _check(self) -> EnhancementStudyParams:
        _known("detector", self.detectors, DETECTORS)
        _known("detector", self.network_config, self.detectors)
        _known("degradation", self.degradations, DEGRADATIONS)
        ways = [name for name in get_args(RepairName) if name != "none"]  # which all others are compared with
        _known("repair", self.slow_repairs, (*REPAIRS, *ways))
        if not all(1 <= severity <= 5 for severity in self.severities):
            raise ValueError("severities are whole numbers from 1 to 5")
        for name in self.detectors:
            network_config(name, self.of_detector(name, "plain")[0])
        _ = self.joint
        return self

    def of_detector(self, name: str, training: str) -> tuple[dict[str, Any], DetectorTraining]:
        """Configuration and training of a detector, ``plain`` or ``control``."""
        share = {"degraded_share": self.control_share if training == "control" else 0.0}
        changes = {**self.training, **share}
        config, settings = resolved(DETECTOR_PRESETS[self.preset], name, self.network_config.get(name, {}), changes)
        return config, TypeAdapter(DetectorTraining).validate_python(asdict(settings))

    @property
    def joint(self) -> JointTraining:
        """Settings of the enhancer's further training."""
        _, settings = resolved(JOINT_PRESETS[self.preset], "", {}, self.joint_training)
        return TypeAdapter(JointTraining).validate_python(asdict(settings))


def _known(kind: str, given: Any, known: Any) -> None:
    if unknown := set(given) - set(known):
        raise ValueError(f"unknown {kind} {', '.join(sorted(unknown))}: one of {', '.join(known)}")
