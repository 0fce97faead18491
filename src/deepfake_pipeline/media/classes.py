"""Whether every split holds what training and judging need: real files and forged ones."""

from __future__ import annotations

from collections import Counter

from deepfake_pipeline.tables import Table
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.splits import SPLITS

_CLASSES = {0: "real", 1: "forged"}


def check_classes(manifest: Table) -> dict[str, dict[str, int]]:
    """Count the files of each split and class; stop where one is lacking, as nothing could be learned or judged.

    Where the dataset annotates faces, these are counted.

    Returns:
        ``{split: {"real": count, "forged": count}}`` for all four splits.

    Raises:
        UserError: one line that names the split, the class and what to do.
    """
    counts: Counter[tuple[str, int | None]] = Counter()
    for batch in manifest.batches(columns=["split", "label", "given_faces"]):
        for row in batch.to_pylist():
            labels = [row["label"]] if row["given_faces"] is None else [face["label"] for face in row["given_faces"]]
            counts.update((row["split"], label) for label in labels)
    table: dict[str, dict[str, int]] = {
        split: {name: counts[split, label] for label, name in _CLASSES.items()} for split in SPLITS
    }
    for name in _CLASSES.values():
        if not any(row[name] for row in table.values()):
            raise UserError(
                f"the manifest holds no {name} files (of {counts.total():,}) and both classes are needed: "
                "look at study.layout, class_map and the refused files"
            )
    for split, row in table.items():
        for name in _CLASSES.values():
            if not row[name]:
                raise UserError(
                    f"split {split} has no {name} files ({row['real']:,} real, {row['forged']:,} forged): add data, "
                    "or change split_policy, split_shares or split_salt"
                )
    return table
