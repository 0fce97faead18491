"""Same picture, same verdict: test faces judged again after every re-encoding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from deepfake_pipeline.engine import map_batches
from deepfake_pipeline.faces.measure import sharpness
from deepfake_pipeline.models.run import DetectorRunner, pick_device
from deepfake_pipeline.models.store import load_network, network_bytes
from deepfake_pipeline.scoring.stability import REENCODINGS, logits_of_versions
from deepfake_pipeline.scoring.verdict import VerdictRule
from deepfake_pipeline.tables.ids import stable_seed
from deepfake_pipeline.tables.packed import PackedFaces

AS_IT_IS = "as_it_is"

Row = dict[str, Any]


class Picture(NamedTuple):
    """A face, and the shorter side of its box in px where it is known."""

    face_id: str
    group: str
    label: int
    image: NDArray[np.uint8]
    size: float | None


def judge_reencoded(
    faces: PackedFaces,
    detector: nn.Module,
    rule: VerdictRule,
    *,
    limit: int,
    seed: int,
    sizes: Mapping[str, float],
    workers: int,
    accelerator: str,
) -> Iterator[Row]:
    """Rows of ``tables.schemas.REENCODED``: each face as it is, and after each of ``REENCODINGS``.

    Args:
        faces: to be judged.
        detector: the network.
        rule: how its log-odds become verdicts.
        limit: faces at most; which ones depends on their ids and the seed.
        seed: of the study.
        sizes: px by face_id, where it is known.
        workers: processes; the rows do not depend on it.
        accelerator: auto, cpu or cuda.
    """
    order = sorted(range(len(faces)), key=lambda row: stable_seed("steady", seed, bytes(faces.face_ids[row]).decode()))
    chosen = sorted(order[:limit])
    pictures = (
        Picture(
            face_id := faces.face_ids[row].decode(),
            faces.groups[row].decode(),
            int(faces.labels[row]),
            np.array(faces.images[row]),
            sizes.get(face_id),
        )
        for row in chosen
    )
    build = partial(_Judge, network_bytes(detector), rule, accelerator)
    workers = 1 if pick_device(accelerator).type == "cuda" else workers
    for rows in map_batches(pictures, build, workers=workers, description="re-encode", total=len(chosen)):
        yield from rows


class _Judge:
    """Runs in a worker: one face with all of its re-encodings at a time."""

    def __init__(self, detector: bytes, rule: VerdictRule, accelerator: str) -> None:
        self.detector = DetectorRunner(load_network(detector), accelerator)  # type: ignore[arg-type]
        self.rule = rule

    def __call__(self, picture: Picture) -> list[Row]:
        versions = {AS_IT_IS: picture.image, **{name: again(picture.image) for name, again in REENCODINGS.items()}}
        raw = logits_of_versions(self.detector, np.stack(list(versions.values())), self.rule.stability)
        rows = []
        for (name, version), logits in zip(versions.items(), raw, strict=True):
            said = self.rule.say(logits, sharpness(version), picture.size)
            shared = {"face_id": picture.face_id, "group": picture.group, "label": picture.label}
            rows.append(
                {
                    **shared,
                    "reencoding": name,
                    "fake_probability": said.fake_probability,
                    "side": "fake" if said.fake_probability >= self.rule.threshold else "real",
                    "verdict": said.verdict,
                }
            )
        return rows
