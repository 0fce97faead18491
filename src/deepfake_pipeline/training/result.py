"""What goes into a training run besides data and settings, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

History = list[dict[str, float]]


@dataclass(frozen=True)
class Runtime:
    """Where and how training computes.

    Attributes:
        seed: of weights, order and augmentation.
        threads: of torch on the CPU; results depend on it.
        loader_workers: processes that prepare batches; results do not depend on it.
        accelerator: auto, cpu or cuda.
        checkpoints: folder in which interrupted runs are kept; None keeps none.
        label: what lines of the log begin with, where several trainings run at once.
    """

    seed: int = 0
    threads: int = 1
    loader_workers: int = 0
    accelerator: str = "auto"
    checkpoints: Path | None = None
    label: str = ""


@dataclass(frozen=True)
class Fitted:
    """A trained network: the weights of the best epoch, as ``LoopConfig.monitor`` judges, and what each epoch gave.

    In the history the row of that epoch has ``kept`` 1, the others 0.
    """

    network: nn.Module
    history: History
