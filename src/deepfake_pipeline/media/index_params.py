"""How a source is read, checked and split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, field_validator

from deepfake_pipeline.media.images import ImageLimits
from deepfake_pipeline.media.layouts import LayoutParams
from deepfake_pipeline.tables.splits import Split

Leak = Literal["official_splits", "near_duplicates"]


class IndexParams(LayoutParams):
    """How a source is read, checked and split."""

    split_policy: Literal["hash", "official", "test"] = Field(
        "hash",
        description="hash: groups are dealt by hash, and where one swallows the dataset its identities one by one; "
        "official: the dataset's own splits, validation and calibration carved out of train by group where it lacks "
        "them; test: every file is test, as of a dataset that is only judged",
    )
    split_shares: Mapping[Split, float] = Field(
        {"train": 0.6, "validation": 0.1, "calibration": 0.1, "test": 0.2},
        description="share of the groups in each split, each in [0, 1], sum 1; split_policy=hash only",
    )
    split_salt: str = Field("", description="another salt deals the groups anew")
    carved_share: float = Field(
        0.1,
        gt=0,
        le=0.4,
        description="share of the groups of train, (0, 0.4], carved out for each of validation and calibration that "
        "the dataset lacks; split_policy=official only",
    )
    near_duplicates: Literal["report", "join"] = Field(
        "report",
        description="report: pairs of near-duplicates that lie in different splits are listed; join: near-duplicates "
        "belong to one group, within each official split where these are followed",
    )
    near_duplicate_similarity: float = Field(
        0.97,
        ge=0.7,
        le=1,
        description="correlation of near-duplicates at least, 0.7 to 1, at the best of the alignments that a crop of "
        "5 % and a mirror allow (media.alike)",
    )
    tolerated_leaks: tuple[Leak, ...] = Field(
        ("official_splits", "near_duplicates"),
        description="what the certificate of the splits names but holds in spite of: official_splits, identities and "
        "source videos that the dataset's own splits leak (split_policy=official only); near_duplicates across splits",
    )
    earlier_manifest: str = Field(
        "",
        description="folder of the manifest of an earlier run (a copy of 02_intermediate/manifest): the certificate "
        "names the rows that lie in another split than there; empty: none is compared",
    )
    images: ImageLimits = Field(ImageLimits(), description="what an image may be")

    @field_validator("split_shares")
    @classmethod
    def _shares_sum_to_one(cls, shares: Mapping[Split, float]) -> Mapping[Split, float]:
        if any(not 0 <= share <= 1 for share in shares.values()):
            raise ValueError(f"each share lies in [0, 1], got {dict(shares)}")
        if abs(sum(shares.values()) - 1) > 1e-6:
            raise ValueError(f"the shares sum to {sum(shares.values()):g}, not to 1: {dict(shares)}")
        return shares
