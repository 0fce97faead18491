"""Parameters of scoring."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from deepfake_pipeline.scoring.score import Faces


class ScoringParams(BaseModel):
    """How a source is scored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    faces: Faces = Field(
        default="auto",
        description="detect cuts out every face, whole takes each picture or frame as one face, auto decides by what "
        "is seen.",
    )
