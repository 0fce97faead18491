"""Training an enhancer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any

from deepfake_pipeline.degrade import DEGRADATIONS, SEVERITIES, Recipe
from deepfake_pipeline.models.store import build_network
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.training.config import EnhancerTraining
from deepfake_pipeline.training.restoration import DegradedPairs, FreshlyDegraded
from deepfake_pipeline.training.result import Fitted, Runtime


def train_enhancer(
    train_faces: PackedFaces,
    validation_faces: PackedFaces,
    validation_recipes: Sequence[Recipe],
    *,
    network: str,
    network_config: dict[str, Any],
    settings: EnhancerTraining,
    runtime: Runtime,
    degradations: Sequence[str] = tuple(DEGRADATIONS),
    severities: Sequence[int] = SEVERITIES,
) -> Fitted:
    """Train on freshly degraded training faces; the recipes of validation faces choose the epoch."""
    facts = train_faces.fingerprint(), [str(r) for r in validation_recipes], tuple(degradations), tuple(severities)
    from deepfake_pipeline.training.loop import fit  # late: Lightning takes seconds to load
    from deepfake_pipeline.training.tasks import EnhancerTask

    return fit(
        partial(build_network, network, network_config),
        EnhancerTask,
        FreshlyDegraded(train_faces, degradations, severities, settings, runtime.seed),
        DegradedPairs(validation_faces, validation_recipes),
        settings,
        runtime,
        fingerprint=hashlib.blake2b(repr(facts).encode()).hexdigest(),
    )
