"""Same picture, same verdict: test faces judged again after every re-encoding."""

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
from deepfake_pipeline.models.run import DetectorRunner, pick_device
from deepfake_pipeline.models.store import load_network, network_bytes
from deepfake_pipeline.restore.router import Router
from deepfake_pipeline.scoring.stability import REENCODINGS, judged_versions
from deepfake_pipeline.scoring.verdict import VerdictRule
from deepfake_pipeline.tables.ids import stable_seed
from deepfake_pipeline.tables.packed import PackedFaces

AS_IT_IS = "as_it_is"

Row = dict[str, Any]


class Picture(NamedTuple):
    """A clean face, how it is degraded if at all, and the shorter side of its box in px where it is known."""

    face_id: str
    group: str
    label: int
    image: NDArray[np.uint8]
    recipe: Recipe | None
    size: float | None


def judge_reencoded(
    faces: PackedFaces,
    recipes: Sequence[Recipe],
    detector: nn.Module,
    router: Router,
    rule: VerdictRule,
    enhanced_rule: VerdictRule,
    *,
    limit: int,
    seed: int,
    sizes: Mapping[str, float],
    workers: int,
    accelerator: str,
) -> Iterator[Row]:
    """Rows of ``tables.schemas.REENCODED``: each face as it is, and after each of ``REENCODINGS``.

    Clean faces, and faces degraded by one of their recipes; both also enhanced, after they were stored anew.

    Args:
        faces: to be judged.
        recipes: of those that are degraded too.
        detector: the network that judges.
        router: restores by its network, told what its classifier takes each picture for.
        rule: how its log-odds become verdicts.
        enhanced_rule: the same on enhanced faces.
        limit: clean faces at most, and degraded ones; which, and by which recipe, depends on their ids and the seed.
        seed: of the study.
        sizes: px by face_id, where it is known.
        workers: processes; the rows do not depend on it.
        accelerator: auto, cpu or cuda.
    """
    of_face: dict[str, list[Recipe]] = {}
    for recipe in recipes:
        of_face.setdefault(recipe.face_id, []).append(recipe)
    drawn = {row: stable_seed("steady", seed, bytes(faces.face_ids[row]).decode()) for row in range(len(faces))}
    in_turn = sorted(drawn, key=lambda row: drawn[row])
    degraded = sorted([row for row in in_turn if faces.face_ids[row].decode() in of_face][:limit])
    jobs: list[tuple[int, Recipe | None]] = [(row, None) for row in sorted(in_turn[:limit])]
    for row in degraded:
        own = of_face[faces.face_ids[row].decode()]
        jobs.append((row, own[drawn[row] % len(own)]))

    def picture(row: int, recipe: Recipe | None) -> Picture:
        face_id, image = faces.face_ids[row].decode(), np.array(faces.images[row])
        return Picture(face_id, faces.groups[row].decode(), int(faces.labels[row]), image, recipe, sizes.get(face_id))

    build = partial(_Judge, network_bytes(detector), router, rule, enhanced_rule, accelerator)
    workers = 1 if pick_device(accelerator).type == "cuda" else workers
    pictures = (picture(*job) for job in jobs)
    for rows in map_batches(pictures, build, workers=workers, description="re-encode", total=len(jobs)):
        yield from rows


class _Judge:
    """Runs in a worker: all networks, one face with all of its re-encodings at a time."""

    def __init__(
        self, detector: bytes, router: Router, rule: VerdictRule, enhanced_rule: VerdictRule, accelerator: str
    ) -> None:
        self.detector = DetectorRunner(load_network(detector), accelerator)  # type: ignore[arg-type]
        self.router, self.rule, self.enhanced_rule = router, rule, enhanced_rule

    def __call__(self, picture: Picture) -> list[Row]:
        image, conditions = picture.image, ("clean", "clean_enhanced")
        if picture.recipe is not None:
            image, conditions = apply(picture.recipe, image), ("degraded", "enhanced")
        given = np.stack([image, *(again(image) for again in REENCODINGS.values())])
        sharp = [sharpness(version) for version in given]
        rows = []
        for condition, enhance, rule in zip(
            conditions, (None, self.router.enhance), (self.rule, self.enhanced_rule), strict=True
        ):
            _, raw = judged_versions(self.detector, given, rule.stability, enhance)
            for name, logits, of_version in zip((AS_IT_IS, *REENCODINGS), raw, sharp, strict=True):
                said = rule.say(logits, of_version, picture.size)
                rows.append(
                    {
                        "face_id": picture.face_id,
                        "group": picture.group,
                        "label": picture.label,
                        "condition": condition,
                        "reencoding": name,
                        "fake_probability": said.fake_probability,
                        "side": "fake" if said.fake_probability >= rule.threshold else "real",
                        "verdict": said.verdict,
                    }
                )
        return rows
