"""Recipes of many faces, each with how far it takes the face from the clean one: the rows of a recipe table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from deepfake_pipeline.degrade.base import Image
from deepfake_pipeline.degrade.recipe import Recipe, apply, draw_recipe
from deepfake_pipeline.engine import map_batches
from deepfake_pipeline.metrics.fidelity import psnr, ssim

if TYPE_CHECKING:
    from deepfake_pipeline.tables import Table
    from deepfake_pipeline.tables.splits import Split

Face = tuple[str, str, Image]
"""face_id, split, RGB uint8 (H, W, 3)."""

FACES_PER_BATCH = 16


@dataclass(frozen=True)
class RecipeWorker:
    """Draws and measures every recipe of a batch of faces; made once in each process.

    Args:
        names: degradations.
        severities: 1 to 5.
        seed: of the study; with face, degradation and severity it makes the seed of each recipe.
    """

    names: tuple[str, ...]
    severities: tuple[int, ...]
    seed: int

    def __call__(self, faces: Sequence[Face]) -> list[dict[str, Any]]:
        """Rows, by face, then degradation, then severity, in the orders given."""
        return [
            self._row(face_id, split, image, name, severity)
            for face_id, split, image in faces
            for name in self.names
            for severity in self.severities
        ]

    def _row(self, face_id: str, split: str, image: Image, name: str, severity: int) -> dict[str, Any]:
        recipe = draw_recipe(face_id, name, severity, self.seed)
        degraded = apply(recipe, image)
        return {
            **recipe.to_row(),
            "split": split,
            "psnr": psnr(image, degraded),
            "ssim": ssim(image, degraded),
        }


def make_recipes(
    faces: Iterable[Face],
    names: Sequence[str],
    severities: Sequence[int],
    seed: int,
    workers: int = 1,
    total: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Rows for ``tables.schemas.RECIPES``: the same, in the same order, whatever the number of workers.

    Args:
        faces: face_id, split and image of each face, taken lazily.
        names: degradations.
        severities: 1 to 5.
        seed: of the study.
        workers: processes; 1 computes in this one.
        total: number of faces, for the progress bar.

    Raises:
        ValueError: unknown degradation, or severity out of range; before any face is taken.
    """
    for name in names:
        for severity in severities:
            draw_recipe("", name, severity, seed)
    build = partial(RecipeWorker, tuple(names), tuple(severities), seed)
    batches = None if total is None else -(-total // FACES_PER_BATCH)
    return _rows(map_batches(_batched(faces), build, workers=workers, description="degrade", total=batches))


def recipes_of_split(recipes: Table, split: Split) -> list[Recipe]:
    """The recipes of one split, in the table's order."""
    import pyarrow.dataset as pads  # late: loaders draw recipes without it

    rows = recipes.read(where=pads.field("split") == split).to_dict("records")
    return [Recipe.from_row(row) for row in rows]


def _batched(faces: Iterable[Face]) -> Iterator[list[Face]]:
    stream = iter(faces)
    while batch := list(islice(stream, FACES_PER_BATCH)):
        yield batch


def _rows(batches: Iterable[list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    for batch in batches:
        yield from batch
