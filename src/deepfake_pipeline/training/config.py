"""How networks are trained: settings and presets. Plain dataclasses, so that training needs no other library."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeVar

from deepfake_pipeline.tables.errors import UserError

Preset = Literal["sample", "paper", "small", "full"]
PRESETS: tuple[Preset, ...] = ("sample", "paper", "small", "full")


def _require(config: object, name: str, low: float, high: float) -> None:
    value = getattr(config, name)
    if not low <= value <= high:
        raise UserError(f"{name} is {value}: it must lie in [{low:g}, {high:g}]")


@dataclass(frozen=True)
class LoopConfig:
    """What every training run has.

    Attributes:
        max_epochs: epochs at most.
        batch_size: faces a step.
        epoch_faces: faces an epoch draws; 0 = every training face once.
        optimizer: adam, or adamw (decoupled weight decay).
        learning_rate: the highest one of the schedule.
        weight_decay: of the optimizer.
        schedule: constant; cosine to zero over max_epochs; or one_cycle (Smith 2018), a step each batch.
        patience: epochs without a better validation loss before it stops; 0 = never early.
        precision: auto = bfloat16 where the device computes it natively, else float32.
        gradient_clip: largest norm of the gradient; 0 = unlimited.
    """

    max_epochs: int = 10
    batch_size: int = 32
    epoch_faces: int = 0
    optimizer: Literal["adam", "adamw"] = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine", "one_cycle"] = "constant"
    patience: int = 3
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    gradient_clip: float = 0.0

    def __post_init__(self) -> None:
        _require(self, "max_epochs", 1, 100_000)
        _require(self, "batch_size", 1, 65_536)
        _require(self, "epoch_faces", 0, 10**9)
        _require(self, "learning_rate", 1e-8, 10.0)
        _require(self, "weight_decay", 0.0, 10.0)
        _require(self, "patience", 0, 100_000)
        _require(self, "gradient_clip", 0.0, 1e6)


@dataclass(frozen=True)
class DetectorTraining(LoopConfig):
    """Training of a detector: binary cross-entropy on augmented faces (paper 004: flips, rotations, zooms).

    Attributes:
        flip: mirror half of the faces.
        rotation: largest turn in degrees, either way.
        zoom: largest change of scale, as a share, either way.
        geometry_share: share of the faces that are turned and zoomed (this resamples them).
        light: largest change of brightness and contrast, as a share.
    """

    flip: bool = True
    rotation: float = 10.0
    zoom: float = 0.1
    geometry_share: float = 0.5
    light: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self, "rotation", 0.0, 180.0)
        _require(self, "zoom", 0.0, 0.9)
        _require(self, "geometry_share", 0.0, 1.0)
        _require(self, "light", 0.0, 0.9)


@dataclass(frozen=True)
class EnhancerTraining(LoopConfig):
    """Training of an enhancer: degraded patches in, clean patches out, Charbonnier loss.

    Attributes:
        patch: side in px of the square patches; 0 = whole faces.
        clean_share: share of the samples that are left undegraded, so that clean faces stay clean.
    """

    patch: int = 0
    clean_share: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self, "patch", 0, 4096)
        _require(self, "clean_share", 0.0, 1.0)


DETECTOR_PRESETS: dict[Preset, DetectorTraining] = {
    "sample": DetectorTraining(max_epochs=12, patience=4),
    "paper": DetectorTraining(max_epochs=10, patience=3),
    "small": DetectorTraining(max_epochs=10, patience=4),
    "full": DetectorTraining(max_epochs=60, patience=10, batch_size=256, schedule="one_cycle"),
}
ENHANCER_PRESETS: dict[Preset, EnhancerTraining] = {
    "sample": EnhancerTraining(max_epochs=10, patience=0, schedule="one_cycle", batch_size=16, patch=96),
    "paper": EnhancerTraining(max_epochs=45, patience=0, batch_size=16, epoch_faces=48),
    "small": EnhancerTraining(max_epochs=10, patience=0, schedule="one_cycle", batch_size=16, patch=128),
    "full": EnhancerTraining(max_epochs=200, patience=0, schedule="one_cycle", batch_size=64, patch=0),
}

Config = TypeVar("Config", bound=LoopConfig)


def customised(preset: Config, changes: dict[str, Any]) -> Config:
    """A preset with some of its settings changed.

    Raises:
        UserError: no such setting, or a value out of its range.
    """
    known = {field.name for field in fields(preset)}
    if unknown := changes.keys() - known:
        raise UserError(f"unknown setting {', '.join(sorted(unknown))}: one of {', '.join(sorted(known))}")
    return replace(preset, **changes)
