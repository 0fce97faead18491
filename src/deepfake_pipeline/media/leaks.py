"""Leaks: what belongs to more than one split, in a manifest."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import NamedTuple

from deepfake_pipeline.tables import RecordStream, Table
from deepfake_pipeline.tables.splits import SPLITS


class SplitLeak(NamedTuple):
    """Something that must not leak, and lies in more than one split.

    Attributes:
        membership: a source video or an identity.
        files: how many files of each split belong to it, in the order of ``SPLITS``.
    """

    membership: str
    files: dict[str, int]


def split_leaks(manifest: Table | RecordStream) -> list[SplitLeak]:
    """What leaks between the splits of a manifest; ordered by name.

    With ``split_policy: hash`` there is none. Official splits are followed where they leak, and this names what.

    Args:
        manifest: table ``MANIFEST``.
    """
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    columns = ["split", "memberships"]
    for batch in manifest if isinstance(manifest, RecordStream) else manifest.batches(columns):
        for split, tags in zip(batch["split"].to_pylist(), batch["memberships"].to_pylist(), strict=True):
            for tag in tags:
                counts[tag][split] += 1
    return [
        SplitLeak(tag, {split: found[split] for split in SPLITS if split in found})
        for tag, found in sorted(counts.items())
        if len(found) > 1
    ]
