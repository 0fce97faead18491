"""Parameters of the router and of the trial of repairs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator, model_validator

from deepfake_pipeline.models.store import network_config
from deepfake_pipeline.pipelines.training_params import START, Start
from deepfake_pipeline.restore import REPAIRS
from deepfake_pipeline.restore.base import Repair
from deepfake_pipeline.restore.choices import NOTHING
from deepfake_pipeline.training.config import LightTraining, RouterTraining
from deepfake_pipeline.training.presets import LIGHT_PRESETS, ROUTER_PRESETS, RouterPresetName, customised
from deepfake_pipeline.training.router import NETWORK


class RestorationParams(BaseModel):
    """How the router learns what ails a face, which repairs it may choose among, and how many faces judge."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: RouterPresetName = Field(
        default="small", description="Of the classifier: sample, small (two cores, minutes) or full."
    )
    training: dict[str, Any] = Field(default={}, description="Settings that replace those of the preset.")
    start: Start = Field(default="anew", description=START)
    network_config: dict[str, Any] = Field(default={}, description="widths and hidden of the classifier.")
    left_out: tuple[str, ...] = Field(
        default=(), description="Classical repairs, by name, that are not tried; identity always is."
    )
    validation_faces: int = Field(
        default=40, ge=1, description="Validation faces at most on which every repair is tried, to choose by."
    )
    test_faces: int = Field(
        default=200,
        ge=1,
        description="Test faces at most that judge the router, the network and what validation chose.",
    )
    survey_faces: int = Field(
        default=40, ge=1, description="Of these, faces at most on which every classical repair is tried too."
    )
    tolerance: int = Field(
        default=13, ge=0, le=255, description="Levels within which a pixel counts as restored; 13 is 5 % of the range."
    )
    resamples: int = Field(default=2000, ge=100, le=100_000, description="Resamples of the bootstrap, by group.")
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0, description="Level of the intervals.")
    sheet_severity: int = Field(default=4, ge=1, le=5, description="Of the pictures on the sheet, or the nearest one.")

    @field_validator("left_out")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := set(names) - set(REPAIRS):
            raise ValueError(f"unknown repair {', '.join(sorted(unknown))}: one of {', '.join(REPAIRS)}")
        return names

    @model_validator(mode="after")
    def _check(self) -> RestorationParams:
        if taken := self.network_config.keys() & {"degradations", "severities", "light"}:
            raise ValueError(f"network_config has {', '.join(sorted(taken))}: set it in the group degradation")
        _ = self.settings
        network_config(NETWORK, {"degradations": (), "severities": (), **self.network_config})
        return self

    @property
    def settings(self) -> RouterTraining:
        """The settings of the classifier's training."""
        settings = customised(ROUTER_PRESETS[self.preset].training, self.training)
        return TypeAdapter(RouterTraining).validate_python(asdict(settings))

    @property
    def light(self) -> LightTraining:
        """The settings of the training of the estimator of shadows."""
        return LIGHT_PRESETS[self.preset]

    @property
    def classical(self) -> dict[str, Repair]:
        """The repairs by name, in the room's order."""
        return {name: repair for name, repair in REPAIRS.items() if name == NOTHING or name not in self.left_out}
