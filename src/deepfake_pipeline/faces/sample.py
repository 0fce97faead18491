"""A seeded sample of faces in whole groups, for what is too slow to do with all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow.dataset as pads
from numpy.typing import NDArray

from deepfake_pipeline.media.images import decode_image
from deepfake_pipeline.tables import Table
from deepfake_pipeline.tables.ids import stable_seed


def sample_faces(faces: Table, limits: Mapping[str, int], seed: int) -> list[str]:
    """Ids of labelled faces, at most ``limits[split]`` of each split unless a single group holds more.

    Groups are taken whole, in the order of a hash of (seed, group), so that a larger sample holds the smaller one.
    """
    frame = faces.read(["face_id", "group", "split"], where=pads.field("label").is_valid())
    chosen: list[str] = []
    for split, limit in limits.items():
        members = {group: list(part.face_id) for group, part in frame[frame.split == split].groupby("group")}
        taken: list[str] = []
        for group in sorted(members, key=lambda name: stable_seed("sample", seed, name)):
            if taken and len(taken) + len(members[group]) > limit:
                break
            taken += members[group]
        chosen += taken
    return chosen


def face_sizes(faces: Table, split: str) -> dict[str, float]:
    """Shorter side in px of the box, in the source, of the faces of a split whose box is known, by face_id."""
    frame = faces.read(["face_id", "w", "h"], where=pads.field("split") == split).dropna()
    return dict(zip(frame.face_id, frame[["w", "h"]].min(axis=1).astype(float), strict=True))


def decoded_faces(faces: Table, chosen: list[str]) -> Iterator[tuple[str, str, NDArray[np.uint8]]]:
    """Id, split and picture, RGB uint8 ``(H, W, 3)``, of the chosen faces, in the table's order."""
    for batch in faces.batches(["face_id", "split", "crop"], pads.field("face_id").isin(chosen), rows=64):
        for row in batch.to_pylist():
            yield row["face_id"], row["split"], decode_image(row["crop"])
