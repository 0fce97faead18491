"""Feeding the classifier of degradations: faces degraded afresh, and which degradation at which severity it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepfake_pipeline.degrade import Recipe, apply, random_recipe
from deepfake_pipeline.models.degradation_classifier import NO_DEGRADATION, DegradationClassifierConfig
from deepfake_pipeline.tables.ids import stable_seed
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.training.config import RouterTraining


class FreshlyDiagnosed:
    """Patches of freshly degraded faces, and the cell of each; the same in every repetition.

    Args:
        faces: clean training faces.
        config: what the classifier tells apart.
        settings: patch size and share of clean samples.
        seed: of the draws.
    """

    def __init__(
        self, faces: PackedFaces, config: DegradationClassifierConfig, settings: RouterTraining, seed: int
    ) -> None:
        self.clusters: NDArray[Any] | None = None
        self.faces, self.config, self.settings, self.seed = faces, config, settings, seed
        self.cell_of = {cell: number for number, cell in enumerate(config.cells)}

    def __len__(self) -> int:
        return len(self.faces)

    def batch(self, rows: NDArray[np.intp], epoch: int) -> tuple[Tensor, Tensor]:
        """Patches uint8 ``(N, patch, patch, 3)`` and cells int64 ``(N,)``."""
        # An epoch may draw a face several times: each time something else happens to it.
        pairs = [self._pair(int(row), place, epoch) for place, row in enumerate(rows)]
        pictures, cells = zip(*pairs, strict=True)
        return torch.from_numpy(np.stack(pictures)), torch.tensor(cells)

    def _pair(self, row: int, place: int, epoch: int) -> tuple[NDArray[np.uint8], int]:
        picture = np.asarray(self.faces.images[row])
        rng = np.random.default_rng(stable_seed("diagnose", self.seed, epoch, row, place))
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
        cell = (NO_DEGRADATION, 0)
        if rng.random() >= self.settings.clean_share:
            recipe = random_recipe(rng, self.config.degradations, self.config.severities)
            picture, cell = apply(recipe, picture), (recipe.degradation, recipe.severity)
        height, width = picture.shape[:2]
        tall, wide = min(self.settings.patch or height, height), min(self.settings.patch or width, width)
        top, left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
        return picture[top : top + tall, left : left + wide], self.cell_of[cell]


class KnownDiagnoses:
    """Whole faces, each clean and degraded by its recipes, made once and kept in memory, and the cell of each."""

    def __init__(self, faces: PackedFaces, recipes: Sequence[Recipe], config: DegradationClassifierConfig) -> None:
        self.clusters: NDArray[Any] | None = None
        cell_of = {cell: number for number, cell in enumerate(config.cells)}
        row_of = {face_id.decode(): row for row, face_id in enumerate(faces.face_ids)}
        clean = [np.asarray(faces.images[row_of[face_id]]) for face_id in dict.fromkeys(r.face_id for r in recipes)]
        degraded = [apply(recipe, np.asarray(faces.images[row_of[recipe.face_id]])) for recipe in recipes]
        self.pictures = np.stack([*clean, *degraded])
        self.cells = np.array([0] * len(clean) + [cell_of[r.degradation, r.severity] for r in recipes], np.int64)

    def __len__(self) -> int:
        return len(self.cells)

    def batch(self, rows: NDArray[np.intp], epoch: int) -> tuple[Tensor, Tensor]:
        """Pictures uint8 ``(N, H, W, 3)`` and cells int64 ``(N,)``."""
        return torch.from_numpy(self.pictures[rows]), torch.from_numpy(self.cells[rows])
