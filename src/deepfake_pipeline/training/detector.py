"""Training a detector."""

from __future__ import annotations

from functools import partial
from typing import Any

from deepfake_pipeline.models.store import build_network
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.training.config import DetectorTraining
from deepfake_pipeline.training.feed import LabelledFaces
from deepfake_pipeline.training.result import Fitted, Runtime


def train_detector(
    train_faces: PackedFaces,
    validation_faces: PackedFaces,
    *,
    network: str,
    network_config: dict[str, Any],
    settings: DetectorTraining,
    runtime: Runtime,
) -> Fitted:
    """Train on labelled faces; validation faces choose the epoch."""
    from deepfake_pipeline.training.loop import fit  # late: Lightning takes seconds to load
    from deepfake_pipeline.training.tasks import DetectorTask

    return fit(
        partial(build_network, network, network_config),
        DetectorTask,
        LabelledFaces(train_faces),
        LabelledFaces(validation_faces),
        settings,
        runtime,
        fingerprint=train_faces.fingerprint() + validation_faces.fingerprint(),
    )
