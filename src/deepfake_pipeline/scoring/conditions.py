"""Every judged face under every condition: clean, degraded, and degraded then restored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from deepfake_pipeline.degrade.recipe import Recipe, apply
from deepfake_pipeline.engine import map_batches
from deepfake_pipeline.faces.measure import sharpness
from deepfake_pipeline.metrics.classification import Floats
from deepfake_pipeline.metrics.fidelity import psnr, ssim
from deepfake_pipeline.models.run import DetectorRunner, pick_device
from deepfake_pipeline.models.store import load_network, network_bytes
from deepfake_pipeline.restore.router import Router
from deepfake_pipeline.scoring.stability import logits_of_versions
from deepfake_pipeline.scoring.verdict import VerdictRule
from deepfake_pipeline.tables.packed import PackedFaces

Row = dict[str, Any]


class Case(NamedTuple):
    """One clean face and what is to be done with it."""

    face_id: str
    group: str
    label: int
    image: NDArray[np.uint8]
    recipes: Sequence[Recipe]
    size: float | None


def predict_conditions(
    faces: PackedFaces,
    recipes: Sequence[Recipe],
    detector: nn.Module,
    router: Router,
    rule: VerdictRule,
    *,
    sizes: Mapping[str, float] | None = None,
    workers: int,
    accelerator: str,
) -> Iterator[Row]:
    """Rows of ``tables.schemas.PREDICTIONS``, by face, then condition; the same whatever the number of workers.

    Args:
        faces: to be judged.
        recipes: of those that are degraded too.
        detector: the network that judges.
        router: restores by its network, told what its classifier takes each face for.
        rule: how its log-odds become probabilities and verdicts.
        sizes: px of the shorter side of a face's box, by face_id, where it is known.
        workers: processes.
        accelerator: auto, cpu or cuda.
    """
    of_face: dict[str, list[Recipe]] = {}
    for recipe in recipes:
        of_face.setdefault(recipe.face_id, []).append(recipe)
    build = partial(_Predictor, network_bytes(detector), router, rule, accelerator)
    on_gpu = pick_device(accelerator).type == "cuda"
    results = map_batches(
        (_case(faces, row, of_face, sizes or {}) for row in range(len(faces))),
        build,
        workers=1 if on_gpu else workers,
        description="predict",
        total=len(faces),
    )
    for rows in results:
        yield from rows


def _case(faces: PackedFaces, row: int, of_face: dict[str, list[Recipe]], sizes: Mapping[str, float]) -> Case:
    face_id = faces.face_ids[row].decode()
    image = np.array(faces.images[row])
    label, recipes = int(faces.labels[row]), of_face.get(face_id, [])
    return Case(face_id, faces.groups[row].decode(), label, image, recipes, sizes.get(face_id))


class _Predictor:
    """Runs in a worker: all networks, one face with all of its conditions at a time."""

    def __init__(self, detector: bytes, router: Router, rule: VerdictRule, accelerator: str) -> None:
        self.detector = DetectorRunner(load_network(detector), accelerator)  # type: ignore[arg-type]
        self.router, self.rule = router, rule

    def __call__(self, case: Case) -> list[Row]:
        pictures = [case.image]
        if case.recipes:
            degraded = np.stack([apply(recipe, case.image) for recipe in case.recipes])
            pictures += [*degraded, *self.router.enhance(degraded)]
        raw = logits_of_versions(self.detector, np.stack(pictures), self.rule.stability)
        said = [self._said(*one, case.size) for one in zip(raw, pictures, strict=True)]
        shared = {"face_id": case.face_id, "group": case.group, "label": case.label}
        rows = [{**shared, "condition": "clean", **said[0]}]
        conditions = [(name, recipe) for name in ("degraded", "enhanced") for recipe in case.recipes]
        for (name, recipe), picture, of_picture in zip(conditions, pictures[1:], said[1:], strict=True):
            rows.append(
                {
                    **shared,
                    "condition": name,
                    "degradation": recipe.degradation,
                    "severity": recipe.severity,
                    **of_picture,
                    "psnr": psnr(case.image, picture),
                    "ssim": ssim(case.image, picture),
                }
            )
        return rows

    def _said(self, raw: Floats, picture: NDArray[np.uint8], size: float | None) -> Row:
        sharp = sharpness(picture)
        said = self.rule.say(raw, sharp, size)
        return {
            "logit": float(raw[0]),
            "fake_probability": said.fake_probability,
            "verdict": said.verdict,
            "sharpness": sharp,
        }
