"""Training the classifier that the router asks what ails a face."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from math import log
from typing import Any

from deepfake_pipeline.degrade import Recipe
from deepfake_pipeline.models.light_estimator import LightEstimator, LightEstimatorConfig
from deepfake_pipeline.models.store import build_network, network_config
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.training.config import LightTraining, RouterTraining
from deepfake_pipeline.training.diagnosis import FreshlyDiagnosed, KnownDiagnoses
from deepfake_pipeline.training.light import FreshlyShaded
from deepfake_pipeline.training.result import Fitted, Runtime

NETWORK = "degradation_classifier"

logger = logging.getLogger(__name__)


def train_router(
    train_faces: PackedFaces,
    validation_faces: PackedFaces,
    validation_recipes: Sequence[Recipe],
    *,
    settings: RouterTraining,
    light: LightTraining,
    runtime: Runtime,
    degradations: Sequence[str],
    severities: Sequence[int],
    config: Mapping[str, Any] | None = None,
) -> Fitted:
    """Train on freshly degraded training faces; validation faces, clean and with their recipes, choose the epoch.

    Where shadow is among the degradations, the estimator of shadows is trained after the classifier.

    Args:
        train_faces: what it learns from.
        validation_faces: what chooses the epoch.
        validation_recipes: of some of them, of the degradations and severities below.
        settings: of the training.
        light: of that of the estimator.
        runtime: seed, threads, device, where checkpoints lie.
        degradations: names of what is told apart.
        severities: whole numbers from 1 to 5.
        config: other fields of the network's configuration.
    """
    from deepfake_pipeline.training.loop import fit  # late: Lightning takes seconds to load
    from deepfake_pipeline.training.tasks import DiagnosisTask, LightTask

    given = {**(config or {}), "degradations": tuple(degradations), "severities": tuple(sorted(severities))}
    given["light"] = "shadow" in degradations
    cells = network_config(NETWORK, given)
    facts = train_faces.fingerprint(), validation_faces.fingerprint(), [str(recipe) for recipe in validation_recipes]
    fitted = fit(
        partial(build_network, NETWORK, given),
        DiagnosisTask,
        FreshlyDiagnosed(train_faces, cells, settings, runtime.seed),
        KnownDiagnoses(validation_faces, validation_recipes, cells),
        settings,
        runtime,
        fingerprint=hashlib.blake2b(repr(facts).encode()).hexdigest(),
    )
    if given["light"]:
        side = LightEstimatorConfig().side
        estimated = fit(
            LightEstimator,
            LightTask,
            FreshlyShaded(train_faces, side, severities, light.clean_share, runtime.seed),
            FreshlyShaded(validation_faces, side, severities, light.clean_share, runtime.seed, fixed=True),
            light,
            runtime,
            fingerprint=hashlib.blake2b(repr((facts[:2], tuple(severities))).encode()).hexdigest(),
        )
        fitted.network.light.load_state_dict(estimated.network.state_dict())  # type: ignore[union-attr]
        error = min(row["val_loss"] for row in estimated.history) ** 0.5 / log(2)
        logger.info("the estimator of shadows misses the light by %.2f stops of pixel values (rms)", error)
    return fitted
