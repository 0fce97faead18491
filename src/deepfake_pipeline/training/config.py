"""How networks are trained: settings. Plain dataclasses, so that training needs no other library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deepfake_pipeline.tables.errors import UserError


def _require(config: object, name: str, low: float, high: float) -> None:
    value = getattr(config, name)
    if not low <= value <= high:
        raise UserError(f"{name} is {value}: it must lie in [{low:g}, {high:g}]")


def _require_one_of(config: object, name: str, known: tuple[str, ...]) -> None:
    value = getattr(config, name)
    if value not in known:
        raise UserError(f"{name} is {value}: it must be one of {', '.join(known)}")


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
        monitor: what chooses the epoch on validation: val_loss; val_auroc of a detector; val_psnr of an enhancer.
        patience: epochs without a better figure before it stops; 0 = never early.
        precision: auto = bfloat16 where the device computes it natively, else float32.
        gradient_clip: largest norm of the gradient; 0 = unlimited.
        ema_decay: what the moving average of the weights keeps of itself each step, such as 0.999; validation judges
            and the result holds the average; 0 = none.
        compile: torch.compile the network on CUDA, which pays from some thousand steps on; elsewhere it changes
            nothing.
    """

    max_epochs: int = 10
    batch_size: int = 32
    epoch_faces: int = 0
    optimizer: Literal["adam", "adamw"] = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine", "one_cycle"] = "constant"
    monitor: Literal["val_loss", "val_auroc", "val_psnr"] = "val_loss"
    patience: int = 3
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    gradient_clip: float = 0.0
    ema_decay: float = 0.0
    compile: bool = False

    def __post_init__(self) -> None:
        _require(self, "max_epochs", 1, 100_000)
        _require(self, "batch_size", 1, 65_536)
        _require(self, "epoch_faces", 0, 10**9)
        _require(self, "learning_rate", 1e-8, 10.0)
        _require(self, "weight_decay", 0.0, 10.0)
        _require(self, "patience", 0, 100_000)
        _require(self, "gradient_clip", 0.0, 1e6)
        _require(self, "ema_decay", 0.0, 0.999999)


@dataclass(frozen=True)
class RouterTraining(LoopConfig):
    """Training of the classifier that the router asks: freshly degraded faces in, cross-entropy of what was done.

    Attributes:
        patch: side in px of the square patches, cut after the degradation and never resized; 0 = whole faces.
        clean_share: share of the samples that are left undegraded.
    """

    patch: int = 0
    clean_share: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_one_of(self, "monitor", ("val_loss",))
        _require(self, "patch", 0, 4096)
        _require(self, "clean_share", 0.0, 1.0)


@dataclass(frozen=True)
class LightTraining(LoopConfig):
    """Training of the estimator of shadows: freshly shaded thumbnails in, squared error of the missing light.

    Attributes:
        clean_share: share of the samples that lie in no shadow.
    """

    clean_share: float = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_one_of(self, "monitor", ("val_loss",))
        _require(self, "clean_share", 0.0, 1.0)


@dataclass(frozen=True)
class DetectorTraining(LoopConfig):
    """Training of a detector: binary cross-entropy on augmented faces (paper 004: flips, rotations, zooms).

    Attributes:
        flip: mirror half of the faces.
        rotation: largest turn in degrees, either way.
        zoom: largest change of scale, as a share, either way.
        geometry_share: share of the faces that are turned and zoomed (this resamples them).
        light: largest change of brightness and contrast, as a share.
        cutout: share of the faces of which a rectangle is painted over (DeVries & Taylor 2017, arXiv 1708.04552).
        mixup: largest share of another face that is mixed into one, with its label (Zhang et al. 2018,
            arXiv 1710.09412); 0 = none.
        self_blend_share: share of the groups whose forgeries give way, for an epoch, to forgeries made from their
            real faces; other groups, and groups without a real face, stay as they are.
        region_weight: of the loss by which the network learns to point at the altered region, where it is known
            (Dang et al. 2020, arXiv 1910.01717); 0 = it need not.
        partial_share: share of the forgeries of which only a part is laid over the real face of the same frame; needs
            region_weight.
        tint: largest change of saturation, as a share; half of it shifts the colours of the channels.
        degraded_share: share of the groups whose faces are degraded in an epoch, each time in another way.
        chain_share: share of those that go through several degradations in a row, and not through one.
        degradations: names of the degradations that are drawn from; none = those of the study.
        severities: that are drawn from; none = those of the study.
    """

    flip: bool = True
    rotation: float = 10.0
    zoom: float = 0.1
    geometry_share: float = 0.5
    light: float = 0.0
    cutout: float = 0.0
    mixup: float = 0.0
    self_blend_share: float = 0.0
    region_weight: float = 0.0
    partial_share: float = 0.0
    tint: float = 0.0
    degraded_share: float = 0.0
    chain_share: float = 0.25
    degradations: tuple[str, ...] = ()
    severities: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_one_of(self, "monitor", ("val_loss", "val_auroc"))
        _require(self, "rotation", 0.0, 180.0)
        _require(self, "zoom", 0.0, 0.9)
        _require(self, "geometry_share", 0.0, 1.0)
        _require(self, "light", 0.0, 0.9)
        _require(self, "cutout", 0.0, 1.0)
        _require(self, "mixup", 0.0, 0.5)
        _require(self, "self_blend_share", 0.0, 1.0)
        _require(self, "region_weight", 0.0, 1000.0)
        _require(self, "partial_share", 0.0, 1.0)
        _require(self, "tint", 0.0, 0.9)
        if self.partial_share and not self.region_weight:
            raise UserError(f"partial_share is {self.partial_share}: it needs a region_weight above 0")
        if self.mixup and self.region_weight:
            raise UserError("mixup and region_weight exclude each other: a mixed face has no altered region")
        _require(self, "degraded_share", 0.0, 1.0)
        _require(self, "chain_share", 0.0, 1.0)


@dataclass(frozen=True)
class EnhancerTraining(LoopConfig):
    """Training of an enhancer: degraded patches in, clean patches out; the loss is in dB of PSNR.

    Attributes:
        patch: side in px of the square patches; 0 = whole faces.
        clean_share: share of the samples that are left undegraded, so that clean faces stay clean.
        chain_share: share of the samples that several degradations in a row have spoilt; the network is not told.
        conditional: the network is told which degradation a sample has, and how severe it is.
        follows: a sample of which the network is told goes through the classical repair made for its degradation first,
            and the network learns to mend what that leaves; needs conditional.
        told_share: share of the samples of which it is told, so that it learns to work untold as well.
        ssim_weight: what 1 - SSIM counts in the loss, in dB.
    """

    patch: int = 0
    clean_share: float = 0.05
    chain_share: float = 0.0
    conditional: bool = False
    follows: bool = False
    told_share: float = 0.8
    ssim_weight: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_one_of(self, "monitor", ("val_loss", "val_psnr"))
        _require(self, "patch", 0, 4096)
        _require(self, "clean_share", 0.0, 1.0)
        _require(self, "chain_share", 0.0, 1.0 - self.clean_share)
        _require(self, "told_share", 0.0, 1.0)
        if self.follows and not self.conditional:
            raise UserError("follows is true: it needs conditional")
        _require(self, "ssim_weight", 0.0, 1000.0)


@dataclass(frozen=True)
class JointTraining(EnhancerTraining):
    """Further training of an enhancer with the loss of a detector added: negative PSNR + weight × cross-entropy.

    Attributes:
        detection_weight: what a nat of the detector's cross-entropy counts, in dB of PSNR.
    """

    detection_weight: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self, "detection_weight", 0.0, 1e6)
