"""The parameter group that says where and how everything computes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

CHANGES_NOTHING = "changes nothing"
"""Marks a parameter on which no result depends, so that changing it makes nothing run again."""


class ComputeParams(BaseModel):
    """Seed, cores and devices. Of these, results depend on the seed, the threads and the accelerator alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(default=0, ge=0, lt=2**31, description="Of everything that is drawn.")
    workers: Annotated[int, CHANGES_NOTHING] = Field(
        default=2, ge=1, le=256, description="Processes that decode, detect, degrade and predict."
    )
    threads: int = Field(default=2, ge=1, le=256, description="Threads of a network in training on a CPU.")
    loader_workers: Annotated[int, CHANGES_NOTHING] = Field(
        default=0, ge=0, le=256, description="Processes that prepare training batches."
    )
    accelerator: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto = CUDA where there is one.")
