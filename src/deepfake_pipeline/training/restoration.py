"""Feeding an enhancer: faces degraded afresh for every sample, and a fixed set to validate on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepfake_pipeline.degrade import (
    DEGRADATIONS,
    SEVERITIES,
    Recipe,
    apply,
    apply_chain,
    draw_recipe,
    random_chain,
    random_recipe,
)
from deepfake_pipeline.restore import REPAIRS, Repair
from deepfake_pipeline.restore.base import Identity
from deepfake_pipeline.tables.ids import stable_seed
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.training.config import EnhancerTraining
from deepfake_pipeline.training.feed import Wanted

IDENTITY = Identity()
GRID = 8
"""Patches begin at multiples of it, in px: JPEG's blocks then lie in a patch as they lie in a face, and a network that
halves the picture three times can learn where they are."""


class FreshlyDegraded:
    """Clean faces and their degraded patches; another degradation in every epoch, the same in every repetition.

    Args:
        faces: clean training faces.
        degradations: names of the degradations to draw from.
        severities: severities to draw from.
        config: size of patches, shares of samples.
        seed: of the draws.
        told: names in the order of the condition; by default the degradations.
        repairs: of each of them the classical repair that comes before the network; none = it gets what is degraded.
    """

    def __init__(
        self,
        faces: PackedFaces,
        degradations: Sequence[str],
        severities: Sequence[int],
        config: EnhancerTraining,
        seed: int,
        told: Sequence[str] = (),
        repairs: Sequence[str] = (),
    ) -> None:
        self.clusters: NDArray[Any] | None = None
        self.faces, self.config, self.seed = faces, config, seed
        self.told = tuple(told or degradations)
        self.repairs = repairs_by_name(self.told, repairs)
        self.degradations, self.severities = tuple(degradations), tuple(severities)

    def __len__(self) -> int:
        return len(self.faces)

    def batch(self, rows: NDArray[np.intp], epoch: int) -> tuple[Tensor, Wanted]:
        """Degraded patches, uint8 ``(N, patch, patch, 3)``, and what is wanted."""
        samples = [self._sample(int(row), epoch) for row in rows]
        degraded, clean, condition = (torch.from_numpy(np.stack(side)) for side in zip(*samples, strict=True))
        return degraded, Wanted(clean, condition)

    def _sample(self, row: int, epoch: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        clean = np.asarray(self.faces.images[row])
        rng = np.random.default_rng(stable_seed("degrade", self.seed, epoch, row))
        recipes, known = self._recipes(rng)
        known = known if rng.random() < self.config.told_share else None
        condition = condition_of(known, self.told)
        repair = self.repairs.get(known.degradation, IDENTITY) if known else IDENTITY
        degraded = apply_chain(recipes, clean)
        if repair.whole or not self.config.patch:
            degraded, repair = repair.apply(degraded), IDENTITY
        if not self.config.patch:
            return degraded, clean, condition
        height, width = clean.shape[:2]
        side = min(self.config.patch, height, width)
        top, left = (GRID * rng.integers((length - side) // GRID + 1) for length in (height, width))
        window = (slice(top, top + side), slice(left, left + side))
        return repair.apply(degraded[window]), clean[window], condition

    def _recipes(self, rng: np.random.Generator) -> tuple[tuple[Recipe, ...], Recipe | None]:
        """What a sample goes through, and of that what the network may be told."""
        draw = rng.random()
        if draw < self.config.clean_share:
            return (), None
        if draw < self.config.clean_share + self.config.chain_share:
            return random_chain(rng, self.degradations, self.severities), None
        recipe = random_recipe(rng, self.degradations, self.severities)
        return (recipe,), recipe


class DegradedPairs:
    """Fixed pairs of degraded and clean whole faces, one a recipe, made once and kept in memory.

    Args:
        faces: clean faces.
        recipes: of some of them.
        degradations: names, in the order of the condition; by default those of the recipes, by name.
        repairs: of each of them the classical repair that comes before the network; none = it gets what is degraded.

    Attributes:
        seen: what the network gets, uint8 ``(N, H, W, 3)``.
    """

    def __init__(
        self,
        faces: PackedFaces,
        recipes: Sequence[Recipe],
        degradations: Sequence[str] | None = None,
        repairs: Sequence[str] = (),
    ) -> None:
        self.clusters: NDArray[Any] | None = None
        row_of = {face_id.decode(): row for row, face_id in enumerate(faces.face_ids)}
        self.clean = np.stack([faces.images[row_of[recipe.face_id]] for recipe in recipes])
        self.degraded = np.stack([apply(recipe, image) for recipe, image in zip(recipes, self.clean, strict=True)])
        self.degradations = tuple(degradations or sorted({recipe.degradation for recipe in recipes}))
        self.conditions = np.stack([condition_of(recipe, self.degradations) for recipe in recipes])
        first = repairs_by_name(self.degradations, repairs)
        pairs = zip(recipes, self.degraded, strict=True)
        self.seen = np.stack([first.get(recipe.degradation, IDENTITY).apply(image) for recipe, image in pairs])

    def __len__(self) -> int:
        return len(self.clean)

    def batch(self, rows: NDArray[np.intp], epoch: int) -> tuple[Tensor, Wanted]:
        """What the network gets, uint8 ``(N, H, W, 3)``, and what is wanted; every degradation is told."""
        wanted = Wanted(torch.from_numpy(self.clean[rows]), torch.from_numpy(self.conditions[rows]))
        return torch.from_numpy(self.seen[rows]), wanted


def repairs_by_name(degradations: Sequence[str], repairs: Sequence[str]) -> Mapping[str, Repair]:
    """Degradation to the repair that comes before the network; without ``repairs`` none does."""
    named = zip(degradations, repairs or ["identity"] * len(degradations), strict=True)
    return {name: REPAIRS[repair] for name, repair in named}


def condition_of(recipe: Recipe | None, degradations: Sequence[str]) -> NDArray[np.float32]:
    """What a network is told of a face, float32 ``(len(degradations),)``: severity over 5; all 0 = nothing is told."""
    condition = np.zeros(len(degradations), np.float32)
    if recipe is not None and recipe.degradation in degradations:
        condition[list(degradations).index(recipe.degradation)] = recipe.severity / SEVERITIES[-1]
    return condition


def evenly_degraded(
    faces: PackedFaces,
    seed: int,
    limit: int = 200,
    degradations: Sequence[str] = tuple(DEGRADATIONS),
    severities: Sequence[int] = SEVERITIES,
) -> list[Recipe]:
    """A recipe for each of the first faces, every degradation and severity in turn."""
    ids = [face_id.decode() for face_id in faces.face_ids[:limit]]
    kinds = [(name, severity) for severity in severities for name in degradations]
    return [draw_recipe(face, *kinds[number % len(kinds)], seed) for number, face in enumerate(ids)]


def one_recipe_a_face(recipes: Sequence[Recipe]) -> list[Recipe]:
    """A recipe for each face, such that the kinds come round as evenly as can be: enough to validate on."""
    kinds = sorted({(recipe.degradation, recipe.severity) for recipe in recipes})
    by_face: dict[str, dict[tuple[str, int], Recipe]] = {}
    for recipe in recipes:
        by_face.setdefault(recipe.face_id, {})[recipe.degradation, recipe.severity] = recipe
    return [by_face[face][kinds[number % len(kinds)]] for number, face in enumerate(sorted(by_face))]
