"""Parameters of the release."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from deepfake_pipeline.models.store import Precision
from deepfake_pipeline.scoring.gate import Rule


class ReleaseParams(BaseModel):
    """When a candidate may take the champion's place."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: Rule = Field(
        default="not_worse",
        description="Of the change of AUROC on calibration faces: not_worse refuses an interval below zero, better "
        "asks for one above zero, any asks for nothing.",
    )
    force: bool = Field(default=False, description="Release all the same; the card says that the rule was broken.")
    resamples: int = Field(default=2000, ge=100, le=100_000, description="Resamples of the bootstrap, by group.")
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0, description="Level of the interval.")
    precision: Precision = Field(
        default="float32",
        description="Of the stored weights. float16 halves the files and moves probabilities by less than 0.002; the "
        "gate then judges the rounded weights.",
    )
