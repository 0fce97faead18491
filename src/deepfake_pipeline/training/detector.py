"""Training a detector."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from deepfake_pipeline.degrade import DEGRADATIONS, SEVERITIES
from deepfake_pipeline.models.store import build_network
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.training.config import DetectorTraining
from deepfake_pipeline.training.degraded import DegradedFaces
from deepfake_pipeline.training.feed import Feed
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
    degradations: Sequence[str] = tuple(DEGRADATIONS),
    severities: Sequence[int] = SEVERITIES,
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
        degradations: names of those that ``settings.degraded_share`` draws from, where the settings name none.
        severities: that it draws from, where the settings name none.

    Raises:
        UserError: forgeries are asked for and there is no forger; or an unknown degradation is.
    """
    from deepfake_pipeline.training.loop import fit  # late: Lightning takes seconds to load
    from deepfake_pipeline.training.tasks import DetectorTask

    feed, made_by = _training_feed(train_faces, settings, forger, runtime.seed), ""
    if settings.self_blend_share:
        made_by = repr(forger)
    if settings.degraded_share:
        kinds = tuple(settings.degradations) or tuple(degradations), tuple(settings.severities) or tuple(severities)
        if unknown := set(kinds[0]) - DEGRADATIONS.keys():
            raise UserError(f"unknown degradation {', '.join(sorted(unknown))}: one of {', '.join(DEGRADATIONS)}")
        feed = DegradedFaces(feed, *kinds, settings.degraded_share, settings.chain_share, runtime.seed)
        made_by += repr(kinds)
    return fit(
        partial(build_network, network, network_config),
        DetectorTask,
        feed,
        LabelledFaces(validation_faces),
        settings,
        runtime,
        fingerprint=train_faces.fingerprint() + validation_faces.fingerprint() + made_by,
    )


def _training_feed(faces: PackedFaces, settings: DetectorTraining, forger: Forger | None, seed: int) -> Feed:
    blended = settings.self_blend_share
    if blended and forger is None:
        raise UserError(f"self_blend_share is {blended}: nothing here makes forgeries; set it to 0")
    if settings.region_weight:
        return LocatedFaces(faces, forger if blended else None, blended, settings.partial_share, seed)
    return SelfBlendedFaces(faces, forger, blended, seed) if blended else LabelledFaces(faces)
