"""Parameters of evaluation."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class EvaluationParams(BaseModel):
    """How intervals are made and how much is shown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    resamples: int = Field(default=2000, ge=100, le=100_000, description="Resamples of the bootstrap, by group.")
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0, description="Level of the intervals.")
    sheet_faces: int = Field(default=4, ge=1, le=16, description="Faces on each before/after sheet.")
    stability_faces: int = Field(
        default=100,
        ge=1,
        description="Test faces, at most, clean and as many degraded, that are judged again after each re-encoding.",
    )
