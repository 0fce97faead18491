"""What a network is trained to do: judge faces, restore them, or tell what ails them. The loop is the same for all."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as lightning
import torch
from torch import Tensor, nn
from torch.nn import functional

from deepfake_pipeline.metrics.classification import auroc
from deepfake_pipeline.metrics.fidelity_torch import psnr_batch, ssim_batch
from deepfake_pipeline.models import DegradationClassifier, Detector, Enhancer, LightEstimator
from deepfake_pipeline.models.inputs import to_network
from deepfake_pipeline.tables.ids import stable_seed
from deepfake_pipeline.training.augment import augment, mixup
from deepfake_pipeline.training.config import DetectorTraining, EnhancerTraining, LoopConfig
from deepfake_pipeline.training.feed import Wanted
from deepfake_pipeline.training.labelled import Located


class Task(lightning.LightningModule):
    """A network, its loss and its optimizer. Subclasses say what the loss is and what validation measures."""

    def __init__(self, network: nn.Module, config: LoopConfig, seed: int, steps: int) -> None:
        super().__init__()
        self.network: Any = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.settings, self.seed, self.steps = config, seed, steps

    def loss(self, pictures: Tensor, targets: Any, batch_number: int) -> Tensor:
        """Mean training loss of a batch."""
        raise NotImplementedError

    def measure(self, pictures: Tensor, targets: Any) -> dict[str, Tensor]:
        """Per-sample figures of a validation batch, each ``(N,)``; ``loss`` must be among them."""
        raise NotImplementedError

    def summarise(self, figures: dict[str, Tensor]) -> dict[str, float]:
        """Figures of a whole validation epoch from those of all samples."""
        return {f"val_{name}": float(values.double().mean()) for name, values in figures.items()}

    def on_train_epoch_start(self) -> None:
        # Dropout draws from the global generator: seeding it by epoch makes a resumed run repeat an undisturbed one.
        torch.manual_seed(stable_seed("epoch", self.seed, self.current_epoch))
        self._losses: list[Tensor] = []

    def training_step(self, batch: tuple[Tensor, Any], batch_idx: int) -> Tensor:
        loss = self.loss(*batch, batch_idx)
        self._losses.append(loss.detach())
        return loss

    def train_loss(self) -> float:
        """Mean loss of the batches of this epoch."""
        return float(torch.stack(self._losses).double().mean())

    def on_validation_epoch_start(self) -> None:
        self._figures: list[dict[str, Tensor]] = []

    def validation_step(self, batch: tuple[Tensor, Any], batch_idx: int) -> None:
        self._figures.append({name: value.detach().cpu() for name, value in self.measure(*batch).items()})

    def on_validation_epoch_end(self) -> None:
        joined = {name: torch.cat([part[name] for part in self._figures]) for name in self._figures[0]}
        self.log_dict(self.summarise(joined), prog_bar=True)

    def configure_optimizers(self) -> Any:
        settings = self.settings
        kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
        optimizer = kind(
            self.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=not settings.gradient_clip,  # the fused step is faster, and Lightning cannot clip before it
        )
        if settings.schedule == "constant":
            return optimizer
        if settings.schedule == "cosine":
            schedule: Any = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        else:
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class DetectorTask(Task):
    """Binary cross-entropy on augmented faces; validation loss and AUROC on faces as they are.

    Where altered regions are known, a 1×1 convolution on the feature map learns to point at them; it is not kept.
    """

    network: Detector
    settings: DetectorTraining

    def __init__(self, network: nn.Module, config: LoopConfig, seed: int, steps: int) -> None:
        super().__init__(network, config, seed, steps)
        if self.settings.region_weight:
            with torch.no_grad():
                side = self.network.image_size
                channels = self.network.eval()(torch.zeros(1, 3, side, side)).feature_map.shape[1]
                self.network.train()
            self.pointer = nn.Conv2d(channels, 1, 1)

    def loss(self, pictures: Tensor, targets: Any, batch_number: int) -> Tensor:
        """Cross-entropy in nats, of the label and, weighted, of the altered region."""
        generator = torch.Generator().manual_seed(stable_seed("augment", self.seed, self.current_epoch, batch_number))
        images = to_network(pictures, self.network.image_size)
        if isinstance(targets, Located):
            images = augment(images, self.settings, generator, targets.alike)
            output = self.network(images[:, :3])
            regions = self._region_loss(output.feature_map, images[:, 3:], targets.known)
            labels = functional.binary_cross_entropy_with_logits(output.logit.float(), targets.labels)
            return labels + self.settings.region_weight * regions
        images = augment(images, self.settings, generator)
        if self.settings.mixup:
            images, targets = mixup(images, targets, self.settings.mixup, generator)
        return functional.binary_cross_entropy_with_logits(self.network(images).logit.float(), targets)

    def _region_loss(self, feature_map: Tensor, altered: Tensor, known: Tensor) -> Tensor:
        """Mean cross-entropy over the places of the feature map, of the faces whose altered region is known."""
        height, width = feature_map.shape[2:]
        wanted = functional.adaptive_avg_pool2d(altered, (height, width))
        found = self.pointer(feature_map).float()
        loss = functional.binary_cross_entropy_with_logits(found, wanted, reduction="none").mean((1, 2, 3))
        return (loss * known).sum() / known.sum().clamp(min=1)

    def measure(self, pictures: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Loss, logit and label of each face."""
        logit = self.network(to_network(pictures, self.network.image_size)).logit.float()
        loss = functional.binary_cross_entropy_with_logits(logit, targets, reduction="none")
        return {"loss": loss, "logit": logit, "label": targets}

    def summarise(self, figures: dict[str, Tensor]) -> dict[str, float]:
        """Validation loss and AUROC."""
        return {
            "val_loss": float(figures["loss"].double().mean()),
            "val_auroc": float(auroc(figures["label"].long().numpy(), figures["logit"].numpy())),
        }


class EnhancerTask(Task):
    """PSNR as the loss (Chen et al. 2022, NAFNet), so that a slight degradation counts as much as a strong one.

    With an absolute error a network learns to mend what is ruined and spoils what is nearly clean. Structural
    similarity may be part of it, as dB.
    """

    network: Enhancer
    settings: EnhancerTraining

    def loss(self, pictures: Tensor, targets: Wanted, batch_number: int) -> Tensor:
        """Mean negative PSNR, in dB, and what is not similar in structure."""
        return self._losses_of(self._restored(to_network(pictures), targets), to_network(targets.clean)).mean()

    def measure(self, pictures: Tensor, targets: Wanted) -> dict[str, Tensor]:
        """Loss, PSNR in dB and its gain over doing nothing, of each picture, and which degradation it has."""
        before, clean = to_network(pictures), to_network(targets.clean)
        after = self._restored(before, targets).clamp(0, 1)
        psnr = psnr_batch(clean, after)
        return {
            "loss": self._losses_of(after, clean),
            "psnr": psnr,
            "psnr_gain": psnr - psnr_batch(clean, before),
            "kind": targets.condition.argmax(dim=1),
        }

    def summarise(self, figures: dict[str, Tensor]) -> dict[str, float]:
        """Means over all pictures; and of the gain, that of the degradation which gains least."""
        kinds = figures.pop("kind")
        gains = [float(figures["psnr_gain"][kinds == kind].double().mean()) for kind in torch.unique(kinds)]
        return {**super().summarise(figures), "val_psnr_gain_least": min(gains)}

    def _restored(self, images: Tensor, targets: Wanted) -> Tensor:
        condition = targets.condition if self.network.conditions else None
        restored: Tensor = self.network(images, condition)
        return restored.float()

    def _losses_of(self, restored: Tensor, clean: Tensor) -> Tensor:
        losses = _negative_psnr(restored, clean)
        if weight := self.settings.ssim_weight:
            losses = losses + weight * (1 - ssim_batch(clean, restored))
        return losses


def _negative_psnr(restored: Tensor, clean: Tensor, floor: float = 1e-5) -> Tensor:
    """In dB; the floor on the squared error (50 dB) keeps untouched faces from ruling the mean."""
    return 10 * torch.log10((restored - clean).square().mean((1, 2, 3)) + floor)


class LightTask(Task):
    """Squared error of the logarithm of the missing light."""

    network: LightEstimator

    def loss(self, pictures: Tensor, targets: Tensor, batch_number: int) -> Tensor:
        """Mean over pixels of the squared error of natural logarithms."""
        return self.measure(pictures, targets)["loss"].mean()

    def measure(self, pictures: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """The same of each picture."""
        missing = self.network(to_network(pictures)).missing(*targets.shape[1:])
        return {"loss": (missing - targets).square().mean((1, 2))}


class DiagnosisTask(Task):
    """Cross-entropy over degradations and severities together."""

    network: DegradationClassifier

    def loss(self, pictures: Tensor, targets: Tensor, batch_number: int) -> Tensor:
        """Cross-entropy in nats."""
        return functional.cross_entropy(self.network(to_network(pictures)).cells, targets)

    def measure(self, pictures: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Loss, whether the degradation is told, and by how far the severity is missed, of each picture."""
        told = self.network(to_network(pictures))
        steps = len(self.network.config.severities)
        degradation = torch.where(targets > 0, (targets - 1) // steps + 1, 0)
        return {
            "loss": functional.cross_entropy(told.cells, targets, reduction="none"),
            "accuracy": (told.degradations.argmax(dim=1) == degradation).float(),
            "severity_error": (told.severity - self.network.get_buffer("steps")[targets]).abs(),
        }
