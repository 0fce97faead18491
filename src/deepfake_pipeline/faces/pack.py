"""Packing: from encoded crops in a table to one array a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow.dataset as pads

from deepfake_pipeline.engine import progress
from deepfake_pipeline.media.images import decode_image
from deepfake_pipeline.tables import Table
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.packed import PackedBatch, PackedStream
from deepfake_pipeline.tables.splits import SPLITS, Split


def check_faces(faces: Table) -> None:
    """Stop where a split has no face of a class, as nothing could be learned or judged there.

    Raises:
        UserError: one line that names the split, the class and what to do.
    """
    counts: Counter[tuple[str, int | None]] = Counter()
    for batch in faces.batches(["split", "label"]):
        counts.update(zip(batch["split"].to_pylist(), batch["label"].to_pylist(), strict=True))
    for split in SPLITS:
        real, forged = counts[split, 0], counts[split, 1]
        if not real or not forged:
            raise UserError(
                f"split {split} has no {'forged' if real else 'real'} faces ({real:,} real, {forged:,} forged): none "
                "was found in its files, or all were refused (03_primary/rejected_faces); add data, or "
                "change face_extraction, split_shares or split_salt"
            )


def pack_split(faces: Table, split: Split, height: int, width: int) -> PackedStream:
    """The labelled faces of a split, in the table's order, at the study's size in px."""
    wanted = (pads.field("split") == split) & pads.field("label").is_valid()
    return PackedStream(faces.count(wanted), height, width, _Batches(faces, split, wanted))


class _Batches:
    def __init__(self, faces: Table, split: Split, wanted: pads.Expression) -> None:
        self.faces, self.split, self.wanted = faces, split, wanted

    def __iter__(self) -> Iterator[PackedBatch]:
        columns = ["face_id", "group", "label", "crop"]
        batches = self.faces.batches(columns, self.wanted, rows=64)
        for batch in progress(batches, f"pack {self.split}"):
            rows = batch.to_pydict()
            yield PackedBatch(
                np.stack([decode_image(crop) for crop in rows["crop"]]),
                np.array(rows["label"], np.int8),
                rows["group"],
                rows["face_id"],
            )
