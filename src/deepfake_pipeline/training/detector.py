"""Training a detector."""

from __future__ import annotations

from functools import partial
from typing import Any

from deepfake_pipeline.models.store import build_network
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.training.config import DetectorTraining
from deepfake_pipeline.training.labelled import Forger, LabelledFaces, LocatedFaces, SelfBlendedFaces
from deepfake_pipeline.training.result import Fitted, Runtime


def train_detector(
    train_faces: PackedFaces,
    validation_faces: PackedFaces,
    *,
    network: str,
    network_config: dict[str, Any],
    settings: DetectorTraining,
    runtime: Runtime,
    forger: Forger | None = None,
) -> Fitted:
    """Train on labelled faces; validation faces choose the epoch.

    Args:
        train_faces: what it learns from.
        validation_faces: what chooses the epoch; always faces as they are.
        network: its name.
        network_config: fields of its configuration.
        settings: of the training.
        runtime: seed, threads, device, where checkpoints lie.
        forger: makes forgeries from real faces, where ``settings.self_blend_share`` asks for them.

    Raises:
        UserError: forgeries are asked for and there is no forger.
    """
    from deepfake_pipeline.training.loop import fit  # late: Lightning takes seconds to load
    from deepfake_pipeline.training.tasks import DetectorTask

    if settings.self_blend_share and forger is None:
        raise UserError(f"self_blend_share is {settings.self_blend_share}: nothing here makes forgeries; set it to 0")
    forger = forger if settings.self_blend_share else None
    feed = LabelledFaces(train_faces)
    if settings.region_weight:
        feed = LocatedFaces(train_faces, forger, settings.self_blend_share, settings.partial_share, runtime.seed)
    elif forger:
        feed = SelfBlendedFaces(train_faces, forger, settings.self_blend_share, runtime.seed)
    return fit(
        partial(build_network, network, network_config),
        DetectorTask,
        feed,
        LabelledFaces(validation_faces),
        settings,
        runtime,
        fingerprint=train_faces.fingerprint() + validation_faces.fingerprint() + (repr(forger) if forger else ""),
    )
