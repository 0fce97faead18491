"""Contact sheets: real and forged faces, clean, degraded and restored, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deepfake_pipeline.degrade.recipe import Recipe, apply
from deepfake_pipeline.media.images import RGBImage, encode_image
from deepfake_pipeline.media.sheets import SIDES, labelled_sheet
from deepfake_pipeline.tables.packed import PackedFaces


class Enhances(Protocol):
    """Restores faces."""

    def enhance(self, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Faces uint8 ``(N, H, W, 3)``, restored."""
        ...


def before_after_sheet(faces: PackedFaces, recipes: Sequence[Recipe], enhancer: Enhances, *, columns: int) -> bytes:
    """PNG: for each degradation, at its middle severity, a row of degraded faces and below it the restored ones.

    The first row shows the clean faces; real ones stand left, forged ones right, half of each where both were sampled.
    """
    sides = _sampled(faces, recipes, ((columns + 1) // 2, columns // 2))
    shown = [row for side in sides for row in side]
    clean = [np.asarray(faces.images[row]) for row in shown]
    rows: list[tuple[str, Sequence[RGBImage]]] = [("clean", clean)]
    severities = sorted({recipe.severity for recipe in recipes})
    middle = severities[len(severities) // 2]
    for name in dict.fromkeys(recipe.degradation for recipe in recipes):
        of_face = {r.face_id: r for r in recipes if r.degradation == name and r.severity == middle}
        chosen = [of_face[faces.face_ids[row].decode()] for row in shown]
        degraded = [apply(recipe, picture) for recipe, picture in zip(chosen, clean, strict=True)]
        rows += _degraded_and_enhanced(f"{_words(name)} {middle:g}", degraded, enhancer)
    headings = [(name, len(side)) for name, side in zip(SIDES, sides, strict=True) if side]
    return encode_image(labelled_sheet(rows, headings), "png")


def severity_sheet(faces: PackedFaces, recipes: Sequence[Recipe], enhancer: Enhances) -> bytes:
    """PNG: one real and one forged face under every degradation, its severities from left to right.

    For each degradation and face a row of degraded pictures and below it the restored ones; first the clean face.
    """
    shown = [(name, side[0]) for name, side in zip(SIDES, _sampled(faces, recipes, (1, 1)), strict=True) if side]
    severities = sorted({recipe.severity for recipe in recipes})
    rows: list[tuple[str, Sequence[RGBImage]]] = []
    for degradation in dict.fromkeys(recipe.degradation for recipe in recipes):
        for side, row in shown:
            clean = np.asarray(faces.images[row])
            face_id = faces.face_ids[row].decode()
            of_severity = {r.severity: r for r in recipes if (r.degradation, r.face_id) == (degradation, face_id)}
            pictures = [clean, *(apply(of_severity[severity], clean) for severity in severities)]
            rows += _degraded_and_enhanced(f"{_words(degradation)}, {side}", pictures, enhancer)
    headings = [("clean", 1), *((f"severity {severity:g}", 1) for severity in severities)]
    return encode_image(labelled_sheet(rows, headings), "png")


def _sampled(faces: PackedFaces, recipes: Sequence[Recipe], counts: tuple[int, int]) -> list[list[int]]:
    """Rows of the first real and of the first forged faces that recipes were drawn for."""
    known = {recipe.face_id for recipe in recipes}
    rows = [row for row in range(len(faces)) if faces.face_ids[row].decode() in known]
    return [[row for row in rows if faces.labels[row] == label][:count] for label, count in enumerate(counts)]


def _degraded_and_enhanced(
    caption: str, pictures: Sequence[RGBImage], enhancer: Enhances
) -> list[tuple[str, Sequence[RGBImage]]]:
    return [(caption, pictures), ("  enhanced", list(enhancer.enhance(np.stack(pictures))))]


def _words(name: str) -> str:
    return name.replace("_", " ")
