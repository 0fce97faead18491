"""The parameter group that says where and how everything computes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from deepfake_pipeline.training.result import Runtime


class ComputeParams(BaseModel):
    """Seed, cores and devices. Of these, results depend on the seed, the threads and the accelerator alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(default=0, ge=0, lt=2**31, description="Of everything that is drawn.")
    workers: int = Field(default=2, ge=1, le=256, description="Processes that decode, detect, degrade and predict.")
    threads: int = Field(default=2, ge=1, le=256, description="Threads of a network in training on a CPU.")
    loader_workers: int = Field(default=0, ge=0, le=256, description="Processes that prepare training batches.")
    accelerator: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto = CUDA where there is one.")

    def runtime(self, checkpoints: Path) -> Runtime:
        """The same for the training loop."""
        return Runtime(self.seed, self.threads, self.loader_workers, self.accelerator, checkpoints)
