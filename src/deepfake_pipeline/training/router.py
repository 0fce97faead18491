"""Training the classifier that the router asks what ails a face."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from deepfake_pipeline.degrade import Recipe
from deepfake_pipeline.models.store import build_network, network_config
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.training.config import RouterTraining
from deepfake_pipeline.training.diagnosis import FreshlyDiagnosed, KnownDiagnoses
from deepfake_pipeline.training.result import Fitted, Runtime

NETWORK = "degradation_classifier"


def train_router(
    train_faces: PackedFaces,
    validation_faces: PackedFaces,
    validation_recipes: Sequence[Recipe],
    *,
    settings: RouterTraining,
    runtime: Runtime,
    degradations: Sequence[str],
    severities: Sequence[int],
    config: Mapping[str, Any] | None = None,
) -> Fitted:
    """Train on freshly degraded training faces; validation faces, clean and with their recipes, choose the epoch.

    Args:
        train_faces: what it learns from.
        validation_faces: what chooses the epoch.
        validation_recipes: of some of them, of the degradations and severities below.
        settings: of the training.
        runtime: seed, threads, device, where checkpoints lie.
        degradations: names of what is told apart.
        severities: whole numbers from 1 to 5.
        config: other fields of the network's configuration.
    """
    from deepfake_pipeline.training.loop import fit  # late: Lightning takes seconds to load
    from deepfake_pipeline.training.tasks import DiagnosisTask

    given = {**(config or {}), "degradations": tuple(degradations), "severities": tuple(sorted(severities))}
    cells = network_config(NETWORK, given)
    facts = train_faces.fingerprint(), validation_faces.fingerprint(), [str(recipe) for recipe in validation_recipes]
    return fit(
        partial(build_network, NETWORK, given),
        DiagnosisTask,
        FreshlyDiagnosed(train_faces, cells, settings, runtime.seed),
        KnownDiagnoses(validation_faces, validation_recipes, cells),
        settings,
        runtime,
        fingerprint=hashlib.blake2b(repr(facts).encode()).hexdigest(),
    )
