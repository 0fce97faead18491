"""Training an enhancer."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from deepfake_pipeline.degrade import DEGRADATIONS, SEVERITIES, Recipe
from deepfake_pipeline.metrics.fidelity import psnr
from deepfake_pipeline.models.run import EnhancerRunner
from deepfake_pipeline.models.store import build_network
from deepfake_pipeline.restore import MADE_FOR
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.training.config import EnhancerTraining
from deepfake_pipeline.training.restoration import DegradedPairs, FreshlyDegraded
from deepfake_pipeline.training.result import Fitted, Runtime
from deepfake_pipeline.training.start import digest_of, starting

logger = logging.getLogger(__name__)


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
    start: bytes | None = None,
) -> Fitted:
    """Train on freshly degraded training faces; the recipes of validation faces choose the epoch.

    A conditional training tells the network of ``degradations``, unless its configuration names others. One that
    follows lets the repairs come first that are made for them (:data:`restore.MADE_FOR`). It goes on from ``start``,
    see :func:`training.start.starting`.

    Raises:
        UserError: the network gives values that are no numbers.
    """
    recipes = [str(recipe) for recipe in validation_recipes]
    facts = train_faces.fingerprint(), recipes, tuple(degradations), tuple(severities), digest_of(start)
    from deepfake_pipeline.training.loop import fit  # late: Lightning takes seconds to load
    from deepfake_pipeline.training.tasks import EnhancerTask

    if settings.conditional:
        network_config = {"conditions": tuple(degradations), **network_config}
    told = tuple(network_config.get("conditions") or degradations)
    repairs = tuple(MADE_FOR.get(name, "identity") for name in told) if settings.follows else ()
    if repairs:
        network_config = {**network_config, "repairs": repairs}
    validation = DegradedPairs(validation_faces, validation_recipes, told, repairs)
    fitted = fit(
        starting(partial(build_network, network, network_config), start),
        EnhancerTask,
        FreshlyDegraded(train_faces, degradations, severities, settings, runtime.seed, told, repairs),
        validation,
        settings,
        runtime,
        fingerprint=hashlib.blake2b(repr(facts).encode()).hexdigest(),
    )
    check_gain(fitted.network, validation, validation_recipes)
    return fitted


def check_gain(network: Any, pairs: DegradedPairs, recipes: Sequence[Recipe]) -> dict[str, float]:
    """Gain in PSNR of each degradation, in dB, logged; what gains nothing is warned of.

    Raises:
        UserError: the network gives values that are no numbers.
    """
    condition = pairs.conditions if network.conditions else None
    restored = EnhancerRunner(network, "cpu").enhance(pairs.seen, condition)
    trios = zip(pairs.clean, pairs.degraded, restored, strict=True)
    gains = np.array([psnr(clean, after) - psnr(clean, before) for clean, before, after in trios])
    kinds = np.array([recipe.degradation for recipe in recipes])
    by_kind = {str(kind): float(gains[kinds == kind].mean()) for kind in sorted(set(kinds))}
    logger.info("the enhancer gains, in dB: %s", ", ".join(f"{kind} {gain:+.2f}" for kind, gain in by_kind.items()))
    if np.array_equal(restored, pairs.seen):
        logger.warning("the enhancer changes nothing: train it longer, or on more faces")
    elif losing := [kind for kind, gain in by_kind.items() if gain <= 0]:
        logger.warning("the enhancer does not gain on %s: train it longer, or on more faces", ", ".join(losing))
    return by_kind
