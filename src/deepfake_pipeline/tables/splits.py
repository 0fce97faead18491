"""The four splits, and how a group is sent to one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from deepfake_pipeline.tables.groups import group_names
from deepfake_pipeline.tables.ids import unit_hash

Split = Literal["train", "validation", "calibration", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "calibration", "test")

LARGE_GROUP_SHARE = 0.2  # of the samples: a group that large swallows the dataset
LARGE_GROUP_SAMPLES = 20  # no group of this size or less does


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


class Deal(NamedTuple):
    """How samples were dealt to splits.

    Attributes:
        groups: name of the group of each sample that was dealt.
        splits: its split.
        crossing: samples that were not dealt, as what they belong to lies in different splits: each membership with
            its split.
        divided: names and sizes of the groups that were divided, as they swallowed the dataset.
    """

    groups: dict[str, str]
    splits: dict[str, Split]
    crossing: dict[str, dict[str, Split]]
    divided: dict[str, int]


def deal(memberships: Mapping[str, Sequence[str]], shares: Mapping[Split, float], salt: str = "") -> Deal:
    """Send samples to splits such that nothing that two samples belong to lies in two splits.

    A group (connected component, :func:`group_names`) goes to one split as a whole. A group that swallows the dataset
    (more than a fifth of the samples, as where each identity was swapped with many others) would upset all shares: in
    it each membership is sent to a split by its own hash, samples whose memberships agree are dealt, and in new,
    smaller groups; those whose memberships fall apart are ``crossing``.

    Args:
        memberships: what each sample belongs to (its source video, its identities), at least one.
        shares: share of the groups that each split gets on average, in [0, 1], summing to 1.
        salt: another salt deals anew.
    """
    groups = group_names(memberships)
    least = max(LARGE_GROUP_SAMPLES, LARGE_GROUP_SHARE * len(groups))
    sizes = sorted(Counter(groups.values()).items()) if sum(share > 0 for share in shares.values()) > 1 else []
    divided = {name: size for name, size in sizes if size > least}
    splits = {sample: hash_split(name, shares, salt) for sample, name in groups.items()}
    crossing: dict[str, dict[str, Split]] = {}
    agreeing: dict[str, Sequence[str]] = {}
    for sample, name in groups.items():
        if name not in divided:
            continue
        own = {tag: hash_split(tag, shares, salt) for tag in memberships[sample]}
        splits[sample] = own[memberships[sample][0]]
        if len(set(own.values())) == 1:
            agreeing[sample] = memberships[sample]
        else:
            crossing[sample] = own
    groups |= group_names(agreeing)
    for sample in crossing:
        del groups[sample], splits[sample]
    return Deal(groups, splits, crossing, divided)
