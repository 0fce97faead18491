"""Contact sheets: real and forged faces, clean, degraded and restored, side by side."""

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

Picture = NDArray[np.uint8]
SIDES = ("real", "forged")
"""Names of the labels 0 and 1, in the order in which sheets show them."""

_CELL, _MARGIN, _LINE, _INK = 128, 4, 22, (60, 60, 60)
_FONT, _SIZE = cv2.FONT_HERSHEY_SIMPLEX, 0.42


def before_after_sheet(
    faces: PackedFaces, recipes: Sequence[Recipe], enhancer: nn.Module, *, columns: int, accelerator: str
) -> bytes:
    """PNG: for each degradation, at its middle severity, a row of degraded faces and below it the restored ones.

    The first row shows the clean faces; real ones stand left, forged ones right, half of each where both were sampled.
    """
    sides = _sampled(faces, recipes, ((columns + 1) // 2, columns // 2))
    shown = [row for side in sides for row in side]
    clean = [np.asarray(faces.images[row]) for row in shown]
    rows = [("clean", clean)]
    runner = EnhancerRunner(enhancer, accelerator)
    severities = sorted({recipe.severity for recipe in recipes})
    middle = severities[len(severities) // 2]
    for name in dict.fromkeys(recipe.degradation for recipe in recipes):
        of_face = {r.face_id: r for r in recipes if r.degradation == name and r.severity == middle}
        chosen = [of_face[faces.face_ids[row].decode()] for row in shown]
        degraded = [apply(recipe, picture) for recipe, picture in zip(chosen, clean, strict=True)]
        rows += _degraded_and_enhanced(f"{_words(name)} {middle:g}", degraded, runner)
    headings = [(name, len(side)) for name, side in zip(SIDES, sides, strict=True) if side]
    return encode_image(labelled_sheet(rows, headings), "png")


def severity_sheet(faces: PackedFaces, recipes: Sequence[Recipe], enhancer: nn.Module, *, accelerator: str) -> bytes:
    """PNG: one real and one forged face under every degradation, its severities from left to right.

    For each degradation and face a row of degraded pictures and below it the restored ones; first the clean face.
    """
    runner = EnhancerRunner(enhancer, accelerator)
    shown = [(name, side[0]) for name, side in zip(SIDES, _sampled(faces, recipes, (1, 1)), strict=True) if side]
    severities = sorted({recipe.severity for recipe in recipes})
    rows: list[tuple[str, Sequence[Picture]]] = []
    for degradation in dict.fromkeys(recipe.degradation for recipe in recipes):
        for side, row in shown:
            clean = np.asarray(faces.images[row])
            face_id = faces.face_ids[row].decode()
            of_severity = {r.severity: r for r in recipes if (r.degradation, r.face_id) == (degradation, face_id)}
            pictures = [clean, *(apply(of_severity[severity], clean) for severity in severities)]
            rows += _degraded_and_enhanced(f"{_words(degradation)}, {side}", pictures, runner)
    headings = [("clean", 1), *((f"severity {severity:g}", 1) for severity in severities)]
    return encode_image(labelled_sheet(rows, headings), "png")


def real_above_forged(real: Sequence[Picture], forged: Sequence[Picture], columns: int) -> bytes:
    """PNG: rows of real faces, below them rows of forged ones; a side without faces has no row.

    Args:
        real: uint8 (H, W, 3), RGB.
        forged: the same.
        columns: faces in a row.
    """
    rows = [
        (name if start == 0 else "", faces[start : start + columns])
        for name, faces in zip(SIDES, (real, forged), strict=True)
        for start in range(0, len(faces), columns)
    ]
    return encode_image(labelled_sheet(rows), "png")


def labelled_sheet(
    rows: Sequence[tuple[str, Sequence[Picture]]], headings: Sequence[tuple[str, int]] = ()
) -> NDArray[np.uint8]:
    """Rows of equally large cells on white, a caption left of each row and headings above the columns.

    Args:
        rows: caption and pictures, uint8 (H, W, 3), of each row; of none, a white sheet without cells is made.
        headings: words and the number of columns that they stand over, from the left.
    """
    step = _CELL + _MARGIN
    left = _MARGIN + max((_text_width(caption) + 2 * _MARGIN for caption, _ in rows), default=0)
    top = _MARGIN + (_LINE if headings else 0)
    columns = max((len(pictures) for _, pictures in rows), default=0)
    sheet = np.full((top + step * len(rows), left + step * columns, 3), 255, np.uint8)
    column = 0
    for words, width in headings:
        _write(sheet, words, left + step * column, top - _LINE // 3)
        column += width
    for y, (caption, pictures) in enumerate(rows):
        above = top + y * step
        _write(sheet, caption, _MARGIN, above + _CELL // 2)
        for x, picture in enumerate(pictures):
            cell = cv2.resize(picture, (_CELL, _CELL), interpolation=cv2.INTER_AREA)
            sheet[above : above + _CELL, left + x * step : left + x * step + _CELL] = cell
    return sheet


def _sampled(faces: PackedFaces, recipes: Sequence[Recipe], counts: tuple[int, int]) -> list[list[int]]:
    """Rows of the first real and of the first forged faces that recipes were drawn for."""
    known = {recipe.face_id for recipe in recipes}
    rows = [row for row in range(len(faces)) if faces.face_ids[row].decode() in known]
    return [[row for row in rows if faces.labels[row] == label][:count] for label, count in enumerate(counts)]


def _degraded_and_enhanced(
    caption: str, pictures: Sequence[Picture], runner: EnhancerRunner
) -> list[tuple[str, Sequence[Picture]]]:
    return [(caption, pictures), ("  enhanced", list(runner.enhance(np.stack(pictures))))]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _text_width(words: str) -> int:
    return int(cv2.getTextSize(words, _FONT, _SIZE, 1)[0][0])


def _write(sheet: Picture, words: str, left: int, baseline: int) -> None:
    cv2.putText(sheet, words, (left, baseline), _FONT, _SIZE, _INK, 1, cv2.LINE_AA)
