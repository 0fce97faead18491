"""Which repair suits which degradation: every repair of every degraded face, scored against the clean one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Literal, NamedTuple

from deepfake_pipeline.degrade.base import Image
from deepfake_pipeline.degrade.recipe import Recipe, apply
from deepfake_pipeline.engine import map_batches
from deepfake_pipeline.metrics.fidelity import psnr, ssim
from deepfake_pipeline.restore import REPAIRS
from deepfake_pipeline.restore.base import Repair

Row = dict[str, Any]

FACES_PER_BATCH = 4
"""All repairs of one image take some hundred milliseconds: small batches keep all workers busy to the end."""


class CleanFace(NamedTuple):
    """A clean face and what is to be done to it: RGB uint8 (H, W, 3), and its recipes."""

    face_id: str
    group: str
    image: Image
    recipes: Sequence[Recipe]


def score_repairs(
    faces: Iterable[CleanFace],
    repairs: Mapping[str, Repair] = REPAIRS,
    *,
    workers: int = 1,
    total: int | None = None,
) -> Iterator[Row]:
    """Rows of ``tables.schemas.REPAIR_SCORES``, by face, recipe, repair; the same whatever the number of workers.

    A face's first rows are those of its clean image, whose degradation and severity are null: what a repair does to
    a face that nothing ails.

    Args:
        faces: taken lazily.
        repairs: name to repair, picklable.
        workers: processes; 1 computes in this one.
        total: number of faces, for the progress bar.
    """
    batches = None if total is None else -(-total // FACES_PER_BATCH)
    build = partial(RepairWorker, dict(repairs))
    for rows in map_batches(_batched(faces), build, workers=workers, description="repair", total=batches):
        yield from rows


class RepairWorker:
    """Degrades, repairs and scores a batch of faces; made once in each process."""

    def __init__(self, repairs: Mapping[str, Repair]) -> None:
        self.repairs = repairs

    def __call__(self, faces: Sequence[CleanFace]) -> list[Row]:
        """Rows of all faces, in their order."""
        return [row for face in faces for recipe in (None, *face.recipes) for row in self._rows(face, recipe)]

    def _rows(self, face: CleanFace, recipe: Recipe | None) -> Iterator[Row]:
        image = face.image if recipe is None else apply(recipe, face.image)
        for name, repair in self.repairs.items():
            repaired = repair.apply(image)
            yield {
                "face_id": face.face_id,
                "group": face.group,
                "degradation": recipe and recipe.degradation,
                "severity": recipe and recipe.severity,
                "repair": name,
                "psnr": psnr(face.image, repaired),
                "ssim": ssim(face.image, repaired),
            }


def best_repairs(
    rows: Iterable[Mapping[str, Any]], by: Literal["psnr", "ssim"] = "psnr"
) -> dict[tuple[str | None, int | None], str]:
    """Degradation and severity to the repair with the highest mean; of equals the one that comes first in the rows.

    Args:
        rows: of ``score_repairs``, of validation faces.
        by: the figure that decides.

    >>> scores = [("identity", 20.0), ("median3", 30.0), ("identity", 22.0), ("median3", 24.0)]
    >>> best_repairs({"degradation": "jpeg", "severity": 1, "repair": name, "psnr": db} for name, db in scores)
    {('jpeg', 1): 'median3'}
    """
    sums: dict[tuple[str | None, int | None], dict[str, tuple[float, int]]] = {}
    for row in rows:
        of_condition = sums.setdefault((row["degradation"], row["severity"]), {})
        total, count = of_condition.get(row["repair"], (0.0, 0))
        of_condition[row["repair"]] = total + row[by], count + 1
    return {
        condition: max(of_repair, key=lambda name: of_repair[name][0] / of_repair[name][1])
        for condition, of_repair in sums.items()
    }


def _batched(faces: Iterable[CleanFace]) -> Iterator[list[CleanFace]]:
    stream = iter(faces)
    while batch := list(islice(stream, FACES_PER_BATCH)):
        yield batch
