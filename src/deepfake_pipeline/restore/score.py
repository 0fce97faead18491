"""Every repair of degraded faces against the clean ones: classical filters, the network, and the router's choice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from deepfake_pipeline.degrade.recipe import Recipe, apply
from deepfake_pipeline.engine import map_batches
from deepfake_pipeline.faces.describe import packaged_descriptor
from deepfake_pipeline.metrics import fidelity
from deepfake_pipeline.models.run import pick_device
from deepfake_pipeline.restore.base import Image
from deepfake_pipeline.restore.choices import NETWORK, NOTHING, Choices, choices_of
from deepfake_pipeline.restore.router import Chances, Router, told_of
from deepfake_pipeline.tables.packed import PackedFaces

Row = dict[str, Any]
Measure = Callable[[Image, Image], Row]

ROUTER = "router"
"""The router's choice, as a repair."""


class Trial(NamedTuple):
    """A clean face RGB uint8 (H, W, 3), its recipes, and for each of them, the clean face first, what is tried."""

    face_id: str
    group: str
    image: Image
    recipes: Sequence[Recipe]
    repairs: Sequence[Sequence[str]]


def trials(
    faces: PackedFaces, recipes: Sequence[Recipe], limit: int, tried: Callable[[int, Recipe | None], Sequence[str]]
) -> list[Trial]:
    """Trials of the first faces, in whole; groups take turns, so that few faces are of many people.

    Args:
        faces: of one split.
        recipes: of some of its faces.
        limit: faces at most.
        tried: of the number of the trial and the recipe (None: clean), names of the repairs.
    """
    of_face: dict[str, list[Recipe]] = {}
    for recipe in recipes:
        of_face.setdefault(recipe.face_id, []).append(recipe)
    rows = [row for row in range(len(faces)) if faces.face_ids[row].decode() in of_face]
    seen: Counter[bytes] = Counter()
    turns = []
    for row in rows:
        group = bytes(faces.groups[row])
        turns.append((seen[group], row))
        seen[group] += 1
    chosen = [row for _, row in sorted(turns)[:limit]]
    return [_trial(faces, row, of_face, partial(tried, number)) for number, row in enumerate(chosen)]


def _trial(
    faces: PackedFaces, row: int, of_face: Mapping[str, list[Recipe]], tried: Callable[[Recipe | None], Sequence[str]]
) -> Trial:
    face_id = faces.face_ids[row].decode()
    recipes = of_face[face_id]
    repairs = [tried(recipe) for recipe in (None, *recipes)]
    return Trial(face_id, faces.groups[row].decode(), np.array(faces.images[row]), recipes, repairs)


def choose_on(faces: PackedFaces, recipes: Sequence[Recipe], router: Router, *, limit: int, workers: int) -> Choices:
    """What validation says of every repair: each is tried on every picture of at most ``limit`` validation faces.

    Args:
        faces: of the validation split.
        recipes: of some of its faces, of every degradation and severity that the router tells apart.
        router: without choices.
        limit: faces at most.
        workers: processes.
    """
    some = trials(faces, recipes, limit, lambda number, recipe: tuple(router.repairs))
    return choices_of(score_trials(some, router, closeness, workers=workers), router.cells)


def judged_trials(
    faces: PackedFaces, recipes: Sequence[Recipe], router: Router, *, limit: int, surveyed: int
) -> list[Trial]:
    """Test faces, and what is tried on each: every repair on the first ones, on the others what is in question.

    In question are doing nothing and the classical repairs that validation would choose, by PSNR or by SSIM.

    Args:
        faces: of the test split.
        recipes: of some of its faces.
        router: with choices.
        limit: faces at most.
        surveyed: of these, faces at most on which every repair is tried.
    """
    choices = router.choices
    assert choices is not None

    def tried(number: int, recipe: Recipe | None) -> Sequence[str]:
        if number < surveyed:
            return tuple(router.repairs)
        cell = (recipe.degradation, recipe.severity) if recipe else choices.cells[0]
        likely = {choices.best_classical(cell), choices.best_classical(cell, "ssim"), NOTHING}
        return tuple(name for name in router.repairs if name in likely)

    return trials(faces, recipes, limit, tried)


def score_trials(some: Sequence[Trial], router: Router, measure: Measure, *, workers: int) -> Iterator[Row]:
    """Rows by face, picture (the clean one first) and repair; the same whatever the number of workers.

    Each has ``face_id``, ``group``, ``degradation``, ``severity`` (both null for the clean face), ``repair`` and what
    ``measure`` gave. The networks are always tried; where the router can choose, its choice is a repair of its own, and
    its row says which repair that was and what it believed.

    Args:
        some: faces to try the repairs on.
        router: with or without choices.
        measure: figures of a repaired picture against the clean one; picklable.
        workers: processes; 1 computes in this one.
    """
    on_gpu = pick_device(router.accelerator).type == "cuda"
    build = partial(_Scorer, router, measure)
    results = map_batches(some, build, workers=1 if on_gpu else workers, description="repair", total=len(some))
    for rows in results:
        yield from rows


def closeness(clean: Image, repaired: Image) -> Row:
    """PSNR and SSIM, by which repairs are chosen."""
    return {"psnr": fidelity.psnr(clean, repaired), "ssim": fidelity.ssim(clean, repaired)}


@dataclass(frozen=True)
class FullCloseness:
    """Every figure by which a repair is judged: a row of ``tables.schemas.RESTORATION_SCORES``.

    Attributes:
        tolerance: levels within which a pixel counts as restored.
    """

    tolerance: int

    def __call__(self, clean: Image, repaired: Image) -> Row:
        one, other = packaged_descriptor().describe([clean, repaired])
        return {
            **closeness(clean, repaired),
            "ms_ssim": fidelity.ms_ssim(clean, repaired),
            "gmsd": fidelity.gmsd(clean, repaired),
            "mae": fidelity.mae(clean, repaired),
            "share_within": fidelity.share_within(clean, repaired, self.tolerance),
            "identity_cosine": float(one @ other),
            "image_cosine": fidelity.image_cosine(clean, repaired),
        }


class _Scorer:
    """Runs in a worker: one face with all of its pictures at a time."""

    def __init__(self, router: Router, measure: Measure) -> None:
        self.router, self.measure = router, measure

    def __call__(self, trial: Trial) -> list[Row]:
        pictures = np.stack([trial.image, *(apply(recipe, trial.image) for recipe in trial.recipes)])
        chances = self.router.chances(pictures)
        enhanced = self.router.enhanced(pictures, chances)
        chosen = self.router.choose(chances) if self.router.choices else None
        told, severity = told_of(chances, self.router.cells)
        rows: list[Row] = []
        for number, recipe in enumerate((None, *trial.recipes)):
            seen = _Seen(trial.image, pictures[number], enhanced[number], chances[number])
            shared = {
                "face_id": trial.face_id,
                "group": trial.group,
                "degradation": recipe and recipe.degradation,
                "severity": recipe and recipe.severity,
            }
            measured = {name: self._figures(name, seen) for name in (*trial.repairs[number], *self.router.networks)}
            rows += [{**shared, "repair": name, **figures} for name, figures in measured.items()]
            if chosen:
                choice = chosen[number]
                belief = {"choice": choice, "told": told[number], "told_severity": float(severity[number])}
                figures = measured[choice] if choice in measured else self._figures(choice, seen)
                rows.append({**shared, "repair": ROUTER, **figures, **belief})
        return rows

    def _figures(self, name: str, seen: _Seen) -> Row:
        repaired = seen.enhanced if name == NETWORK else self.router.apply(name, seen.degraded, seen.chances)
        return self.measure(seen.clean, repaired)


class _Seen(NamedTuple):
    """A picture as it was, as it is, after the network, and what is believed to ail it."""

    clean: Image
    degraded: Image
    enhanced: Image
    chances: Chances
