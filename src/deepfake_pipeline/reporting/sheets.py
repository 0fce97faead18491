"""Contact sheets: faces clean, degraded and restored, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import nn

from deepfake_pipeline.degrade.recipe import Recipe, apply
from deepfake_pipeline.media.images import encode_image
from deepfake_pipeline.models.run import EnhancerRunner
from deepfake_pipeline.tables.packed import PackedFaces

_CELL, _MARGIN, _INK = 128, 4, (60, 60, 60)


def before_after_sheet(
    faces: PackedFaces, recipes: Sequence[Recipe], enhancer: nn.Module, *, columns: int, accelerator: str
) -> bytes:
    """PNG: for each degradation, at its middle severity, a row of degraded faces and below it the restored ones.

    The first row shows the clean faces; real and forged alternate where both were sampled.
    """
    shown = _alternating(faces, {recipe.face_id for recipe in recipes}, columns)
    clean = [np.asarray(faces.images[row]) for row in shown]
    rows = [("clean", clean)]
    runner = EnhancerRunner(enhancer, accelerator)
    severities = sorted({recipe.severity for recipe in recipes})
    middle = severities[len(severities) // 2]
    for name in dict.fromkeys(recipe.degradation for recipe in recipes):
        of_face = {r.face_id: r for r in recipes if r.degradation == name and r.severity == middle}
        chosen = [of_face[faces.face_ids[row].decode()] for row in shown]
        degraded = [apply(recipe, picture) for recipe, picture in zip(chosen, clean, strict=True)]
        title = name.replace("_", " ")
        rows.append((f"{title} {middle:g}", degraded))
        rows.append(("  enhanced", list(runner.enhance(np.stack(degraded)))))
    return encode_image(_labelled_grid(rows), "png")


def _alternating(faces: PackedFaces, sampled: set[str], count: int) -> list[int]:
    rows = [row for row in range(len(faces)) if faces.face_ids[row].decode() in sampled]
    by_label = [[row for row in rows if faces.labels[row] == label][: (count + 1) // 2] for label in (0, 1)]
    return sorted(row for side in by_label for row in side)[:count]


def _labelled_grid(rows: Sequence[tuple[str, Sequence[NDArray[np.uint8]]]]) -> NDArray[np.uint8]:
    """Rows of equally large cells, with a caption left of each row."""
    caption = 150
    step = _CELL + _MARGIN
    columns = max(len(pictures) for _, pictures in rows)
    sheet = np.full((step * len(rows) + _MARGIN, caption + step * columns + _MARGIN, 3), 255, np.uint8)
    for y, (title, pictures) in enumerate(rows):
        top = _MARGIN + y * step
        cv2.putText(sheet, title, (6, top + _CELL // 2), cv2.FONT_HERSHEY_SIMPLEX, 0.42, _INK, 1, cv2.LINE_AA)
        for x, picture in enumerate(pictures):
            left = caption + x * step
            cell = cv2.resize(picture, (_CELL, _CELL), interpolation=cv2.INTER_AREA)
            sheet[top : top + _CELL, left : left + _CELL] = cell
    return sheet
