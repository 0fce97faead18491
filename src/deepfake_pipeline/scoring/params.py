"""How verdicts are chosen on validation and calibration faces."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class VerdictParams(BaseModel):
    """When a verdict is given, and how sure it has to be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target_error: float = Field(
        default=0.05, gt=0, lt=0.5, description="Largest share of wrong ones among the verdicts given."
    )
    risk: float = Field(
        default=0.1,
        gt=0,
        lt=0.5,
        description="Chance, over draws of the calibration faces, that more are wrong all the same (Learn then Test, "
        "Angelopoulos et al. 2021).",
    )
    quality_bins: int = Field(
        default=5, ge=1, le=20, description="Parts by sharpness, each with its own margin of a verdict."
    )
    degraded_versions: int = Field(
        default=2, ge=0, le=10, description="Degraded versions of each calibration face beside the clean one."
    )
    stability: Literal["never", "enhanced", "always"] = Field(
        default="enhanced",
        description="Which faces are judged again mirrored, zoomed in, turned and as JPEG, so that the mean of all "
        "decides whether a verdict is given: five times the judging, and twice the enhancing.",
    )
    false_alarm_rates: tuple[float, ...] = Field(
        default=(0.01, 0.05), description="Shares of real faces called forged for which a threshold is stored."
    )
