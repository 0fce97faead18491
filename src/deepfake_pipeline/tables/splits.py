"""The four splits, and how a group is sent to one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from deepfake_pipeline.tables.ids import unit_hash

Split = Literal["train", "validation", "calibration", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "calibration", "test")


def hash_split(group: str, shares: Mapping[Split, float], salt: str = "") -> Split:
    """Split of a group, by hash alone: adding or removing other groups moves nothing.

    Args:
        group: name of the group; all its files get the same split.
        shares: share of the groups that each split gets on average, in [0, 1], summing to 1.
        salt: another salt deals the groups anew.
    """
    position = unit_hash("split", salt, group)
    bound = 0.0
    for split in SPLITS:
        bound += shares.get(split, 0.0)
        if position < bound:
            return split
    return max(SPLITS, key=lambda split: shares.get(split, 0.0))
