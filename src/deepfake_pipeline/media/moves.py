"""Rows that changed their split since an earlier run: what was learned by then may be judged on now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from deepfake_pipeline.tables import ParquetTable, Table
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.ids import sha256_of

_COLUMNS = ("sample_id", "group", "split", "memberships")

Cause = Literal["joined", "other"]


@dataclass(frozen=True)
class Move:
    """Rows of one earlier group that moved together.

    Attributes:
        because: ``joined``: added data tied their group to others, or to what was in none; ``other``: another salt,
            other shares or another policy, or the group swallows the dataset now and did not before, or the reverse.
        group: their group now.
        joins: the earlier groups that are in it now, their own among them.
        before: their split in the earlier run.
        now: their split.
        rows: their sample ids.
    """

    because: Cause
    group: str
    joins: list[str]
    before: str
    now: str
    rows: list[str]


@dataclass(frozen=True)
class Moves:
    """What became of the rows of an earlier manifest.

    Attributes:
        earlier: SHA-256 of that manifest.
        rows: how many of its rows are in this one too.
        gone: how many are not.
        moved: how many of those that are lie in another split.
        named: all of these.
    """

    earlier: str
    rows: int
    gone: int
    moved: int
    named: list[Move]


def open_earlier(path: str) -> ParquetTable | None:
    """The manifest of an earlier run; None where none is named.

    Args:
        path: folder of its Parquet files, such as a copy of ``02_intermediate/manifest``.

    Raises:
        UserError: there is none, or it is no manifest.
    """
    if not path:
        return None
    table, key = ParquetTable(Path(path).expanduser()), f"ingestion.earlier_manifest: {path}"
    if not any(table.path.glob("*.parquet")):
        raise UserError(f"{key} holds no Parquet file; name a copy of 02_intermediate/manifest of an earlier run")
    try:
        missing = [name for name in _COLUMNS if name not in table.schema.names]
    except (OSError, ValueError) as error:
        raise UserError(f"{key} is damaged ({error})") from error
    if missing:
        raise UserError(f"{key} is no manifest, it has no column {', '.join(missing)}")
    return table


def moves_since(earlier: ParquetTable, manifest: Table) -> Moves:
    """Compare the splits of a manifest with those of an earlier one, row by row.

    Args:
        earlier: table ``MANIFEST``.
        manifest: table ``MANIFEST``.
    """
    before: dict[str, tuple[str, str]] = {}
    then: defaultdict[str, set[str]] = defaultdict(set)  # what belonged to each earlier group
    for row in _rows(earlier):
        before[row["sample_id"]] = row["group"], row["split"]
        then[row["group"]].update(row["memberships"])
    joins: defaultdict[str, set[str]] = defaultdict(set)
    now: defaultdict[str, set[str]] = defaultdict(set)
    moved: defaultdict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    kept = 0
    for row in _rows(manifest):
        now[row["group"]].update(row["memberships"])
        if (place := before.get(row["sample_id"])) is None:
            continue
        kept += 1
        group, split = place
        joins[row["group"]].add(group)
        if split != row["split"]:
            moved[row["group"], group, split, row["split"]].append(row["sample_id"])
    named = [
        Move("joined" if now[group] > then[own] else "other", group, sorted(joins[group]), old, new, sorted(rows))
        for (group, own, old, new), rows in sorted(moved.items())
    ]
    return Moves(sha256_of(earlier.path), kept, len(before) - kept, sum(len(move.rows) for move in named), named)


def _rows(table: Table) -> Iterator[dict[str, Any]]:
    for batch in table.batches(_COLUMNS):
        yield from batch.to_pylist()
