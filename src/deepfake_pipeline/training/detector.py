"""Training a detector."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from deepfake_pipeline.degrade import DEGRADATIONS, SEVERITIES
from deepfake_pipeline.engine import map_batches
from deepfake_pipeline.models import Detector
from deepfake_pipeline.models.ensemble import Ensemble, EnsembleConfig, ensemble_of
from deepfake_pipeline.models.run import DetectorRunner, pick_device
from deepfake_pipeline.models.store import build_network, load_network, network_bytes
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.training.config import DetectorTraining
from deepfake_pipeline.training.degraded import DegradedFaces
from deepfake_pipeline.training.feed import Feed
from deepfake_pipeline.training.labelled import Forger, LabelledFaces, LocatedFaces, SelfBlendedFaces
from deepfake_pipeline.training.result import Fitted, History, Runtime
from deepfake_pipeline.training.start import digest_of, starting

logger = logging.getLogger(__name__)

TEMPERATURES = np.geomspace(0.2, 10, 200)


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
    start: bytes | None = None,
) -> Fitted:
    """Train on labelled faces; validation faces choose the epoch.

    The members of an ensemble are trained each with a seed of its own, on CPUs at once where there are threads for it,
    and the temperature of each is what validation faces choose; the rows of the history follow one another, numbered
    by ``member``.

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
        start: a detector to go on from, see :func:`training.start.starting`; of an ensemble, member by member.

    Raises:
        UserError: forgeries are asked for and there is no forger; or an unknown degradation is.
    """
    from deepfake_pipeline.training.loop import fit  # late: Lightning takes seconds to load
    from deepfake_pipeline.training.tasks import DetectorTask

    if network == "ensemble":
        alone = partial(
            train_detector,
            train_faces,
            validation_faces,
            settings=settings,
            forger=forger,
            degradations=degradations,
            severities=severities,
        )
        return _trained_ensemble(alone, validation_faces, network_config, runtime, start)
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
        starting(partial(build_network, network, network_config), start),
        DetectorTask,
        feed,
        LabelledFaces(validation_faces),
        settings,
        runtime,
        fingerprint=train_faces.fingerprint() + validation_faces.fingerprint() + made_by + digest_of(start),
    )


def _trained_ensemble(
    train: Callable[..., Fitted],
    validation_faces: PackedFaces,
    network_config: dict[str, Any],
    runtime: Runtime,
    start: bytes | None,
) -> Fitted:
    configs = EnsembleConfig(**network_config).members
    shared, at_once = _shared_out(runtime, len(configs))
    jobs = [
        {
            "network": member.name,
            "network_config": member.config,
            "runtime": replace(shared, seed=runtime.seed + number, label=f"member {number + 1}: "),
            "start": _member_of(start, number),
        }
        for number, member in enumerate(configs)
    ]
    train_one = partial(_member, train)
    in_order: Iterable[Fitted] = map(train_one, jobs)
    if at_once > 1:
        in_order = map_batches(jobs, partial(_same, train_one), workers=at_once, setting="compute.threads")
    members: list[tuple[Detector, float]] = []
    history: History = []
    for number, fitted in enumerate(in_order):
        detector: Any = fitted.network
        temperature = fit_temperature(detector, validation_faces, runtime.accelerator)
        logger.info("the temperature of member %d is %.3g", number + 1, temperature)
        members.append((detector, temperature))
        first = len(history)
        history += [{**row, "epoch": first + row["epoch"], "member": float(number)} for row in fitted.history]
    return Fitted(ensemble_of(members), history)


def _shared_out(runtime: Runtime, members: int) -> tuple[Runtime, int]:
    """How each member is trained, and how many at once.

    On a CPU a second thread makes a small network's training little faster and a second training does not slow the
    first: members have a process each, one more of them than threads, so that none idles at the end.
    """
    if pick_device(runtime.accelerator).type != "cpu" or runtime.threads == 1:
        return runtime, 1
    return replace(runtime, threads=max(1, runtime.threads // members)), min(members, runtime.threads + 1)


def _member(train: Callable[..., Fitted], job: dict[str, Any]) -> Fitted:
    logger.info("%s%s", job["runtime"].label, job["network"])
    return train(**job)


def _same(function: Callable[[dict[str, Any]], Fitted]) -> Callable[[dict[str, Any]], Fitted]:
    return function


def _member_of(start: bytes | None, number: int) -> bytes | None:
    """The member of an ensemble by its number; ``start`` itself, which is of another form, where it has none."""
    ensemble: Any = load_network(start) if start is not None else None
    known = isinstance(ensemble, Ensemble) and number < len(ensemble.members)
    return network_bytes(ensemble.members[number]) if known else start


def fit_temperature(network: Detector, faces: PackedFaces, accelerator: str = "auto") -> float:
    """What a detector's log-odds are best divided by on some faces (Guo et al. 2017): the least log loss on a grid."""
    logit = DetectorRunner(network, accelerator).judge(faces.images).logit.astype(np.float64)
    signed = np.where(faces.labels == 1, logit, -logit)
    losses = [np.logaddexp(0, -signed / temperature).mean() for temperature in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def _training_feed(faces: PackedFaces, settings: DetectorTraining, forger: Forger | None, seed: int) -> Feed:
    blended = settings.self_blend_share
    if blended and forger is None:
        raise UserError(f"self_blend_share is {blended}: nothing here makes forgeries; set it to 0")
    if settings.region_weight:
        return LocatedFaces(faces, forger if blended else None, blended, settings.partial_share, seed)
    return SelfBlendedFaces(faces, forger, blended, seed) if blended else LabelledFaces(faces)
