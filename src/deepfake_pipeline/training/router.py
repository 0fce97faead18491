"""Training the classifier that the router asks what ails a face."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from math import log
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from deepfake_pipeline.degrade import Recipe
from deepfake_pipeline.models.inputs import to_network
from deepfake_pipeline.models.light_estimator import LightEstimatorConfig
from deepfake_pipeline.models.store import build_network, network_config
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.training.config import LightTraining, RouterTraining
from deepfake_pipeline.training.detector import TEMPERATURES
from deepfake_pipeline.training.diagnosis import FreshlyDiagnosed, KnownDiagnoses
from deepfake_pipeline.training.light import FreshlyShaded
from deepfake_pipeline.training.result import Fitted, Runtime
from deepfake_pipeline.training.start import digest_of, starting

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
    start: bytes | None = None,
) -> Fitted:
    """Train on freshly degraded training faces; validation faces, clean and with their recipes, choose the epoch.

    They set the temperature of its chances, too: a router weighs chances, so these have to be worth what they say.
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
        start: a classifier, with its estimator, to go on from, see :func:`training.start.starting`; None = anew.
    """
    from deepfake_pipeline.training.loop import fit  # late: Lightning takes seconds to load
    from deepfake_pipeline.training.tasks import DiagnosisTask, LightTask

    given = {**(config or {}), "degradations": tuple(degradations), "severities": tuple(sorted(severities))}
    given["light"] = "shadow" in degradations
    cells = network_config(NETWORK, given)
    recipes = [str(recipe) for recipe in validation_recipes]
    facts = train_faces.fingerprint(), validation_faces.fingerprint(), recipes, digest_of(start)
    build = starting(partial(build_network, NETWORK, given), start)
    known = KnownDiagnoses(validation_faces, validation_recipes, cells)
    fitted = fit(
        build,
        DiagnosisTask,
        FreshlyDiagnosed(train_faces, cells, settings, runtime.seed),
        known,
        settings,
        runtime,
        fingerprint=hashlib.blake2b(repr(facts).encode()).hexdigest(),
    )
    logger.info("the temperature of its chances is %.3g", calibrate(fitted.network, known))
    if given["light"]:
        side = LightEstimatorConfig().side
        estimated = fit(
            lambda: build().light,  # type: ignore[arg-type, return-value]
            LightTask,
            FreshlyShaded(train_faces, side, severities, light.clean_share, runtime.seed),
            FreshlyShaded(validation_faces, side, severities, light.clean_share, runtime.seed, fixed=True),
            light,
            runtime,
            fingerprint=hashlib.blake2b(repr((facts[:2], facts[3], tuple(severities))).encode()).hexdigest(),
        )
        fitted.network.light.load_state_dict(estimated.network.state_dict())  # type: ignore[union-attr]
        error = min(row["val_loss"] for row in estimated.history) ** 0.5 / log(2)
        logger.info("the estimator of shadows misses the light by %.2f stops of pixel values (rms)", error)
    return fitted


@torch.inference_mode()
def calibrate(network: Any, known: KnownDiagnoses) -> float:
    """Divide a classifier's log-odds by the temperature that gives the least cross-entropy (Guo et al. 2017).

    Args:
        network: a :class:`models.degradation_classifier.DegradationClassifier`; its last layer is changed.
        known: what it is calibrated on.

    Returns:
        The temperature.
    """
    at_once = 32
    starts = range(0, len(known), at_once)
    parts = [network(to_network(torch.from_numpy(known.pictures[at : at + at_once]))).cells for at in starts]
    cells, wanted = torch.cat(parts), torch.from_numpy(known.cells)
    losses = [float(functional.cross_entropy(cells / temperature, wanted)) for temperature in TEMPERATURES]
    best = float(TEMPERATURES[int(np.argmin(losses))])
    network.last.weight.div_(best)
    network.last.bias.div_(best)
    return best
