"""The ways of repairing a degraded face before it is judged, behind one small interface."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deepfake_pipeline.degrade import apply, draw_recipe
from deepfake_pipeline.degrade.recipe import Recipe
from deepfake_pipeline.engine import map_batches
from deepfake_pipeline.metrics.fidelity import psnr
from deepfake_pipeline.models.run import EnhancerRunner
from deepfake_pipeline.models.store import load_network
from deepfake_pipeline.restore import REPAIRS
from deepfake_pipeline.restore.choices import NETWORK, RELIT, Choices
from deepfake_pipeline.restore.router import Chances, Router, filtered
from deepfake_pipeline.scoring.remembered import Images, Remembered
from deepfake_pipeline.tables.packed import PackedFaces

BestRepairs = Mapping[str, Mapping[str, str]]
"""Degradation, then severity as text, to the name of a classical repair; clean faces are ``clean``, ``0``."""

CLEAN = "clean"
NONE = "none"

logger = logging.getLogger(__name__)


class Repairer(Protocol):
    """Repairs faces; made once in each worker process."""

    def repair(self, images: Images, degradation: str, severity: int) -> Images:
        """Repaired faces, as a new array or the one that was given.

        Args:
            images: uint8 ``(N, H, W, 3)``; left as they are.
            degradation: what was done to them, or ``clean``; what is blind does not look at it.
            severity: 1 to 5, 0 of clean faces.
        """
        ...


@dataclass(frozen=True)
class RepairParts:
    """What repairers are made of; picklable, so that it reaches every worker.

    Attributes:
        best: classical repair by degradation and severity.
        networks: safetensors of a network by the name of the repairer that uses it.
        slow: classical repairs, and repairers, that work on a part of the faces only.
        accelerator: auto, cpu or cuda.
        choices: of the router, as JSON; None without one.
    """

    best: BestRepairs
    networks: Mapping[str, bytes] = field(default_factory=dict)
    slow: Sequence[str] = ()
    accelerator: str = "cpu"
    choices: Mapping[str, Any] | None = None


class Workbench:
    """What repairers share: what one of them has worked out of a face, the next is given.

    Args:
        parts: what the repairers are made of.
    """

    def __init__(self, parts: RepairParts) -> None:
        self.parts = parts
        self._made: dict[tuple[str, str], Remembered] = {}

    def forget(self) -> None:
        """Keep nothing of the faces so far."""
        for remembered in self._made.values():
            remembered.forget()

    def filtered(self, name: str, images: Images) -> Images:
        """The faces through a classical repair."""
        return self._remembered("filter", name, lambda: partial(filtered, name))(images)

    def enhanced(self, name: str, images: Images) -> Images:
        """The faces through a network, which is told what the classifier takes each for, if there is a classifier."""
        return self._remembered("network", name, lambda: self._network(name))(images)

    def chances(self, images: Images) -> Chances:
        """What the classifier takes faces for, ``(N, C)``."""
        return self._remembered("classifier", "", lambda: self.router("enhancer").chances)(images)

    def _remembered(self, kind: str, name: str, make: Callable[[], Callable[[Images], NDArray[Any]]]) -> Remembered:
        if (kind, name) not in self._made:
            self._made[kind, name] = Remembered(make())
        return self._made[kind, name]

    def _network(self, name: str) -> Callable[[Images], Images]:
        if "router" not in self.parts.networks:
            return EnhancerRunner(load_network(self.parts.networks[name]), self.parts.accelerator).enhance
        router = self.router(name)
        return lambda images: router.enhanced(images, self.chances(images), self.filtered)

    def router(self, name: str) -> Router:
        """The router of a network."""
        choices = Choices.from_json(dict(self.parts.choices)) if self.parts.choices else None
        networks = self.parts.networks
        return Router(networks["router"], networks[name], choices, REPAIRS, self.parts.accelerator)


class NoRepair:
    """Faces as they are."""

    def __init__(self, bench: Workbench) -> None:
        pass

    def repair(self, images: Images, degradation: str, severity: int) -> Images:
        """The faces themselves."""
        return images


class BestClassical:
    """The classical repair that was best on validation for this degradation and severity: it is told both."""

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench

    def repair(self, images: Images, degradation: str, severity: int) -> Images:
        """Each face through the chosen filter."""
        return self.bench.filtered(self.bench.parts.best[degradation][str(severity)], images)


class NetworkRepair:
    """A network that is told what the classifier takes each face for, or nothing where there is no classifier."""

    def __init__(self, bench: Workbench, name: str) -> None:
        self.bench, self.name = bench, name

    def repair(self, images: Images, degradation: str, severity: int) -> Images:
        """The faces through the network."""
        return self.bench.enhanced(self.name, images)


class RoutedRepair:
    """For each face the repair that validation showed best for what the classifier takes it for."""

    def __init__(self, bench: Workbench) -> None:
        self.bench, self.router = bench, bench.router("enhancer")

    def repair(self, images: Images, degradation: str, severity: int) -> Images:
        """Each face by itself."""
        chances, repaired = self.bench.chances(images), np.empty_like(images)
        chosen = np.array(self.router.choose(chances))
        for name in np.unique(chosen):
            faces = chosen == name
            if name == NETWORK:
                repaired[faces] = self.bench.enhanced("enhancer", images[faces])
            elif name == RELIT:
                repaired[faces] = [self.router.apply(RELIT, images[row], chances[row]) for row in np.flatnonzero(faces)]
            else:
                repaired[faces] = self.bench.filtered(name, images[faces])
        return repaired


REPAIRERS: dict[str, Callable[[Workbench], Repairer]] = {
    NONE: NoRepair,
    "best_classical": BestClassical,
    "enhancer": partial(NetworkRepair, name="enhancer"),
    "router": RoutedRepair,
    "joint": partial(NetworkRepair, name="joint"),
}
"""Name of a repairer, as in parameters and tables, to what makes it. A further one is one class and one line here."""

NEEDS_NETWORK = ("enhancer", "router", "joint")
"""Repairers that are left out where their network is not given."""


def available(wanted: Sequence[str], given: Mapping[str, Any]) -> tuple[str, ...]:
    """The wanted repairers that can be made, ``none`` first: it is what the others are compared with.

    Args:
        wanted: names.
        given: networks by the repairer that uses them.
    """
    ready = [NONE]
    for name in wanted:
        if name in NEEDS_NETWORK and (name not in given or name not in REPAIRERS):
            logger.info("the study leaves out %s: no such network is given", name)
        elif name not in ready:
            ready.append(name)
    return tuple(ready)


def is_slow(name: str, degradation: str, severity: int, parts: RepairParts) -> bool:
    """Whether a repairer works on a part of the faces only, under this condition."""
    return name in parts.slow or (name == "best_classical" and parts.best[degradation][str(severity)] in parts.slow)


def choose_classical(
    faces: PackedFaces,
    rows: Sequence[int] | NDArray[np.intp],
    degradations: Sequence[str],
    severities: Sequence[int],
    *,
    seed: int,
    workers: int,
) -> dict[str, dict[str, str]]:
    """The classical repair with the highest mean PSNR for each degradation and severity, and for clean faces.

    Of equals, the one that comes first in :data:`restore.REPAIRS`.

    Args:
        faces: of the split that chooses.
        rows: of those that are looked at; every repair is done to all of them.
        degradations: names.
        severities: 1 to 5.
        seed: of the degradations.
        workers: processes; the result does not depend on it.
    """
    kinds = list(product(degradations, severities))

    def taken(row: int) -> tuple[NDArray[np.uint8], list[Recipe]]:
        face_id = faces.face_ids[row].decode()
        return np.asarray(faces.images[row]), [draw_recipe(face_id, *kind, seed) for kind in kinds]

    some = (taken(int(row)) for row in rows)
    totals = np.zeros((1 + len(kinds), len(REPAIRS)))
    for found in map_batches(some, _ClassicalScorer, workers=workers, description="repair", total=len(rows)):
        totals += found
    names = list(REPAIRS)
    chosen: dict[str, dict[str, str]] = {}
    for (name, severity), best in zip([(CLEAN, 0), *kinds], (totals / len(rows)).argmax(axis=1), strict=True):
        chosen.setdefault(name, {})[str(severity)] = names[best]
    return chosen


class _ClassicalScorer:
    """Runs in a worker: a face with its recipes at a time."""

    def __call__(self, face: tuple[NDArray[np.uint8], list[Recipe]]) -> NDArray[np.float64]:
        """PSNR ``(1 + recipes, repairs)`` of what each repair makes of the clean face, and of each degraded one."""
        clean, recipes = face
        pictures = (clean, *(apply(recipe, clean) for recipe in recipes))
        return np.array([[psnr(clean, repair.apply(one)) for repair in REPAIRS.values()] for one in pictures])
