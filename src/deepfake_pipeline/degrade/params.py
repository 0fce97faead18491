"""Parameters of degradation."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from deepfake_pipeline.degrade import DEGRADATIONS


class DegradationParams(BaseModel):
    """Which degradations are judged, and on how many faces."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: tuple[str, ...] = Field(default=tuple(DEGRADATIONS), min_length=1, description="Degradations, by name.")
    severities: tuple[int, ...] = Field(default=(1, 2, 3, 4, 5), min_length=1, description="Severities, 1 to 5.")
    validation_faces: int = Field(
        default=100, ge=1, description="Faces at most, in whole groups, that choose the enhancer's epoch."
    )
    test_faces: int = Field(
        default=500, ge=1, description="Faces at most, in whole groups, that judge under degradation."
    )

    @field_validator("names")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := set(names) - set(DEGRADATIONS):
            raise ValueError(f"unknown degradation {', '.join(sorted(unknown))}: one of {', '.join(DEGRADATIONS)}")
        return names

    @field_validator("severities")
    @classmethod
    def _in_range(cls, severities: tuple[int, ...]) -> tuple[int, ...]:
        if not all(1 <= severity <= 5 for severity in severities):
            raise ValueError("severities are whole numbers from 1 to 5")
        return severities
