"""Feeding an enhancer: faces degraded afresh for every sample, and a fixed set to validate on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepfake_pipeline.degrade import DEGRADATIONS, SEVERITIES, Recipe, apply, draw_recipe, random_recipe
from deepfake_pipeline.tables.ids import stable_seed
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.training.config import EnhancerTraining


class FreshlyDegraded:
    """Clean faces and their degraded patches; another degradation in every epoch, the same in every repetition.

    Args:
        faces: clean training faces.
        degradations: names of the degradations to draw from.
        severities: severities to draw from.
        config: patch size and share of clean samples.
        seed: of the draws.
    """

    def __init__(
        self,
        faces: PackedFaces,
        degradations: Sequence[str],
        severities: Sequence[int],
        config: EnhancerTraining,
        seed: int,
    ) -> None:
        self.clusters: NDArray[Any] | None = None
        self.faces, self.config, self.seed = faces, config, seed
        self.degradations, self.severities = tuple(degradations), tuple(severities)

    def __len__(self) -> int:
        return len(self.faces)

    def batch(self, rows: NDArray[np.intp], epoch: int) -> tuple[Tensor, Tensor]:
        """Degraded and clean patches, each uint8 ``(N, patch, patch, 3)``."""
        pairs = [self._pair(int(row), epoch) for row in rows]
        degraded, clean = (np.stack(side) for side in zip(*pairs, strict=True))
        return torch.from_numpy(degraded), torch.from_numpy(clean)

    def _pair(self, row: int, epoch: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        clean = np.asarray(self.faces.images[row])
        rng = np.random.default_rng(stable_seed("degrade", self.seed, epoch, row))
        if rng.random() < self.config.clean_share:
            degraded = clean
        else:
            degraded = apply(random_recipe(rng, self.degradations, self.severities), clean)
        height, width = clean.shape[:2]
        side = min(self.config.patch or max(height, width), height, width)
        if not self.config.patch:
            return degraded, clean
        top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
        window = (slice(top, top + side), slice(left, left + side))
        return degraded[window], clean[window]


class DegradedPairs:
    """Fixed pairs of degraded and clean whole faces, one a recipe, made once and kept in memory."""

    def __init__(self, faces: PackedFaces, recipes: Sequence[Recipe]) -> None:
        self.clusters: NDArray[Any] | None = None
        row_of = {face_id.decode(): row for row, face_id in enumerate(faces.face_ids)}
        self.clean = np.stack([faces.images[row_of[recipe.face_id]] for recipe in recipes])
        self.degraded = np.stack([apply(recipe, image) for recipe, image in zip(recipes, self.clean, strict=True)])

    def __len__(self) -> int:
        return len(self.clean)

    def batch(self, rows: NDArray[np.intp], epoch: int) -> tuple[Tensor, Tensor]:
        """Degraded and clean faces, each uint8 ``(N, H, W, 3)``."""
        return torch.from_numpy(self.degraded[rows]), torch.from_numpy(self.clean[rows])


def evenly_degraded(faces: PackedFaces, seed: int, limit: int = 200) -> list[Recipe]:
    """A recipe for each of the first faces, every degradation and severity in turn."""
    ids = [face_id.decode() for face_id in faces.face_ids[:limit]]
    kinds = [(name, severity) for severity in SEVERITIES for name in DEGRADATIONS]
    return [draw_recipe(face, *kinds[number % len(kinds)], seed) for number, face in enumerate(ids)]


def one_recipe_a_face(recipes: Sequence[Recipe]) -> list[Recipe]:
    """A recipe for each face, such that the kinds come round as evenly as can be: enough to validate on."""
    kinds = sorted({(recipe.degradation, recipe.severity) for recipe in recipes})
    by_face: dict[str, dict[tuple[str, int], Recipe]] = {}
    for recipe in recipes:
        by_face.setdefault(recipe.face_id, {})[recipe.degradation, recipe.severity] = recipe
    return [by_face[face][kinds[number % len(kinds)]] for number, face in enumerate(sorted(by_face))]
