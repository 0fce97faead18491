"""An enhancer trained further for a detector: faces restored such that a frozen detector judges them right."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from deepfake_pipeline.degrade import DEGRADATIONS, SEVERITIES, Recipe
from deepfake_pipeline.models import Detector
from deepfake_pipeline.models.enhancer import Enhancer
from deepfake_pipeline.models.inputs import to_network
from deepfake_pipeline.models.store import load_network, network_bytes
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.training.config import JointTraining
from deepfake_pipeline.training.restoration import DegradedPairs, FreshlyDegraded
from deepfake_pipeline.training.result import Fitted, Runtime
from deepfake_pipeline.training.tasks import EnhancerTask


class LabelledPairs:
    """Pairs of degraded and clean faces with the faces' labels beside the clean ones.

    Args:
        pairs: gives degraded and clean faces.
        labels: ``(N,)``, 1 = forged, of the pairs.
    """

    def __init__(self, pairs: FreshlyDegraded | DegradedPairs, labels: NDArray[np.int8]) -> None:
        self.clusters: NDArray[Any] | None = None
        self.pairs, self.labels = pairs, labels.astype(np.float32)

    def __len__(self) -> int:
        return len(self.pairs)

    def batch(self, rows: NDArray[np.intp], epoch: int) -> tuple[Tensor, Any]:
        """Degraded faces uint8 ``(N, H, W, 3)``; what is wanted of them, and labels float32 ``(N,)``."""
        degraded, wanted = self.pairs.batch(rows, epoch)
        return degraded, (wanted, torch.from_numpy(self.labels[rows]))


class JointTask(EnhancerTask):
    """An enhancer's loss in dB, plus a weight times the cross-entropy of a frozen detector."""

    settings: JointTraining

    def __init__(self, *arguments: Any, detector: Detector) -> None:
        super().__init__(*arguments)
        # In a tuple, Lightning does not see it: it is neither trained nor stored in checkpoints.
        self._judge = (copy.deepcopy(detector).eval().requires_grad_(False),)

    def on_fit_start(self) -> None:
        self._judge[0].to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def loss(self, pictures: Tensor, targets: Any, batch_number: int) -> Tensor:
        """Mean of the sum, in dB."""
        wanted, labels = targets
        restored = self._restored(to_network(pictures), wanted)
        crossed = self._cross_entropy(restored, labels)
        return (self._losses_of(restored, to_network(wanted.clean)) + self.settings.detection_weight * crossed).mean()

    def measure(self, pictures: Tensor, targets: Any) -> dict[str, Tensor]:
        """What is measured of an enhancer, and the cross-entropy in nats, which is part of the loss."""
        wanted, labels = targets
        figures = super().measure(pictures, wanted)
        crossed = self._cross_entropy(self._restored(to_network(pictures), wanted).clamp(0, 1), labels)
        loss = figures["loss"] + self.settings.detection_weight * crossed
        return {**figures, "loss": loss, "cross_entropy": crossed}

    def _cross_entropy(self, restored: Tensor, labels: Tensor) -> Tensor:
        """In nats, ``(N,)``. The detector sees values in [0, 1], as it does when it judges."""
        judge, pictures = self._judge[0], restored.clamp(0, 1)
        size = (judge.image_size, judge.image_size)
        if pictures.shape[-2:] != size:
            shrinks = min(pictures.shape[-2:]) > judge.image_size
            pictures = functional.interpolate(pictures, size, mode="bilinear", antialias=shrinks)
        return functional.binary_cross_entropy_with_logits(judge(pictures).logit.float(), labels, reduction="none")


def train_jointly(
    train_faces: PackedFaces,
    validation_faces: PackedFaces,
    validation_recipes: Sequence[Recipe],
    *,
    enhancer: Enhancer,
    detector: Detector,
    settings: JointTraining,
    runtime: Runtime,
    degradations: Sequence[str] = tuple(DEGRADATIONS),
    severities: Sequence[int] = SEVERITIES,
) -> Fitted:
    """Train a trained enhancer further, on whole faces, so that a detector judges what it restores.

    Args:
        train_faces: what it learns from; best not those alone that the detector knows by heart.
        validation_faces: with their recipes, what chooses the epoch.
        validation_recipes: one or more of some validation faces.
        enhancer: where it starts; left as it is.
        detector: judges, and is not trained; left as it is.
        settings: of the training.
        runtime: seed, threads, device, where checkpoints lie.
        degradations: names of the degradations to draw from.
        severities: to draw from.

    Raises:
        UserError: ``settings.patch`` asks for parts of faces.
    """
    from deepfake_pipeline.training.loop import fit  # late: Lightning takes seconds to load

    if settings.patch:
        raise UserError(f"patch is {settings.patch}: a detector judges whole faces; set it to 0")
    start = network_bytes(enhancer)
    facts = (
        train_faces.fingerprint(),
        [str(recipe) for recipe in validation_recipes],
        (tuple(degradations), tuple(severities)),
        [hashlib.sha256(data).hexdigest() for data in (start, network_bytes(detector))],
    )
    row_of = {face_id.decode(): row for row, face_id in enumerate(validation_faces.face_ids)}
    judged = [row_of[recipe.face_id] for recipe in validation_recipes]
    told, repairs = enhancer.config.conditions or tuple(degradations), enhancer.config.repairs
    return fit(
        partial(_restarted, start),
        partial(JointTask, detector=detector),
        LabelledPairs(
            FreshlyDegraded(train_faces, degradations, severities, settings, runtime.seed, told, repairs),
            train_faces.labels,
        ),
        LabelledPairs(
            DegradedPairs(validation_faces, validation_recipes, told, repairs), validation_faces.labels[judged]
        ),
        settings,
        runtime,
        fingerprint=hashlib.blake2b(repr(facts).encode()).hexdigest(),
    )


def _restarted(data: bytes) -> nn.Module:
    return load_network(data).train()  # Lightning leaves the mode as it finds it
