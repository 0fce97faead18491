"""Every judged face under every condition: clean and degraded, as it is and enhanced."""

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
from deepfake_pipeline.scoring.stability import judged_versions
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
    enhanced_rule: VerdictRule,
    *,
    sizes: Mapping[str, float] | None = None,
    workers: int,
    accelerator: str,
) -> Iterator[Row]:
    """Rows of ``tables.schemas.PREDICTIONS``, by face, then condition; the same whatever the number of workers.

    Sharpness is that of the face as it came, before it is enhanced: what was lost by then does not come back.

    Args:
        faces: to be judged.
        recipes: of those that are degraded too.
        detector: the network that judges.
        router: restores by its network, told what its classifier takes each face for.
        rule: how its log-odds become probabilities and verdicts.
        enhanced_rule: the same on enhanced faces.
        sizes: px of the shorter side of a face's box, by face_id, where it is known.
        workers: processes.
        accelerator: auto, cpu or cuda.
    """
    of_face: dict[str, list[Recipe]] = {}
    for recipe in recipes:
        of_face.setdefault(recipe.face_id, []).append(recipe)
    build = partial(_Predictor, network_bytes(detector), router, rule, enhanced_rule, accelerator)
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

    def __init__(
        self, detector: bytes, router: Router, rule: VerdictRule, enhanced_rule: VerdictRule, accelerator: str
    ) -> None:
        self.detector = DetectorRunner(load_network(detector), accelerator)  # type: ignore[arg-type]
        self.router, self.rule, self.enhanced_rule = router, rule, enhanced_rule

    def __call__(self, case: Case) -> list[Row]:
        given = np.stack([case.image, *(apply(recipe, case.image) for recipe in case.recipes)])
        sharp = [sharpness(picture) for picture in given]
        rows = []
        for names, enhance, rule in (
            (("clean", "degraded"), None, self.rule),
            (("clean_enhanced", "enhanced"), self.router.enhance, self.enhanced_rule),
        ):
            judged, raw = judged_versions(self.detector, given, rule.stability, enhance)
            for number, recipe in enumerate([None, *case.recipes]):
                changed = recipe is not None or enhance is not None
                rows.append(
                    {
                        "face_id": case.face_id,
                        "group": case.group,
                        "label": case.label,
                        "condition": names[0] if recipe is None else names[1],
                        "degradation": None if recipe is None else recipe.degradation,
                        "severity": None if recipe is None else recipe.severity,
                        **_said(rule, raw[number], sharp[number], case.size),
                        "psnr": psnr(case.image, judged[number]) if changed else None,
                        "ssim": ssim(case.image, judged[number]) if changed else None,
                    }
                )
        return rows


def _said(rule: VerdictRule, raw: Floats, sharp: float, size: float | None) -> Row:
    said = rule.say(raw, sharp, size)
    return {
        "logit": float(raw[0]),
        "fake_probability": said.fake_probability,
        "verdict": said.verdict,
        "sharpness": sharp,
    }
