"""A contact sheet of repairs: degraded, repaired three ways, and the clean face."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deepfake_pipeline.degrade.recipe import Recipe, apply
from deepfake_pipeline.media.images import RGBImage, encode_image
from deepfake_pipeline.media.sheets import labelled_sheet
from deepfake_pipeline.restore.router import Router
from deepfake_pipeline.tables.packed import PackedFaces

_FACES = 2
_HEADINGS = ("degraded", "classical", "network", "router", "clean")


def restoration_sheet(faces: PackedFaces, recipes: Sequence[Recipe], router: Router, severity: int) -> bytes:
    """PNG: a row a degradation, and in it two faces, each degraded, repaired three ways, and clean.

    The classical repair is the one that validation chose for the degradation and severity. A row's caption says what
    the router applied to each of the faces.

    Args:
        faces: of the test split.
        recipes: of some of its faces.
        router: with choices.
        severity: that is shown, or the nearest one of the recipes.
    """
    rows: list[tuple[str, Sequence[RGBImage]]] = []
    row_of = {face_id.decode(): row for row, face_id in enumerate(faces.face_ids)}
    shown = _people(faces, row_of, recipes)
    for degradation in dict.fromkeys(recipe.degradation for recipe in recipes):
        pictures, applied = [], []
        for face_id in shown:
            of_face = [r for r in recipes if (r.face_id, r.degradation) == (face_id, degradation)]
            recipe = min(of_face, key=lambda r: (abs(r.severity - severity), r.severity))
            row, choice = _repaired(np.asarray(faces.images[row_of[face_id]]), recipe, router)
            pictures += row
            applied.append(choice.replace("_", " "))
        rows.append((f"{degradation.replace('_', ' ')}: {' / '.join(dict.fromkeys(applied))}", pictures))
    headings = [(words, 1) for _ in shown for words in _HEADINGS]
    return encode_image(labelled_sheet(rows, headings), "png")


def _people(faces: PackedFaces, row_of: dict[str, int], recipes: Sequence[Recipe]) -> list[str]:
    """The first faces with recipes, each of another group."""
    first: dict[bytes, str] = {}
    for face_id in dict.fromkeys(recipe.face_id for recipe in recipes):
        first.setdefault(bytes(faces.groups[row_of[face_id]]), face_id)
    return list(first.values())[:_FACES]


def _repaired(clean: RGBImage, recipe: Recipe, router: Router) -> tuple[list[RGBImage], str]:
    assert router.choices is not None
    degraded = apply(recipe, clean)
    chances = router.chances(degraded[None])
    choice = router.choose(chances)[0]
    classical = router.choices.best_classical((recipe.degradation, recipe.severity))
    repaired = [router.apply(name, degraded, chances[0]) for name in (classical, "network", choice)]
    return [degraded, *repaired, clean], choice
