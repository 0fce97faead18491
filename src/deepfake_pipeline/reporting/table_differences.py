"""In what two Parquet tables differ: row by row, matched by id, in flat memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
from numpy.typing import NDArray

from deepfake_pipeline.reporting.gaps import Detail, Gap, gap, reading

_ROWS = 1024  # of each table held at once, and more only where more rows share an id


class _Shards(NamedTuple):
    """The files of one table, in order."""

    files: Sequence[Path]

    @property
    def path(self) -> Path:
        """What an error names: the file, or the folder of several."""
        return self.files[0] if len(self.files) == 1 else self.files[0].parent

    def schema(self) -> pa.Schema:
        """Columns and types.

        Raises:
            Damaged: not Parquet.
        """
        with reading(self.path):
            schema = self._dataset().schema
            if len(set(schema.names)) < len(schema):
                raise ValueError("two columns share a name")
            return schema

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Record batches of some columns, in the order of the rows.

        Raises:
            Damaged: not Parquet, or not whole.
        """
        with reading(self.path):
            scanner = self._dataset().scanner(
                columns=list(columns), batch_size=_ROWS, batch_readahead=1, fragment_readahead=1, use_threads=False
            )
            yield from scanner.to_batches()

    def _dataset(self) -> pads.Dataset:
        return pads.dataset([str(file) for file in self.files], format="parquet")


def compare_tables(files_a: Sequence[Path], files_b: Sequence[Path], tolerance: float) -> list[Detail]:
    """Columns and rows on one side only, and for each common column how far its values are apart.

    Rows are matched by the first column, where it is text and in order on both sides, and otherwise by their number.
    Rows that share an id are matched in their order; where one side has more of them, by their texts and whole
    numbers, and then in their order.

    Raises:
        Damaged: one of the files is not Parquet, or not whole.
    """
    a, b = _Shards(files_a), _Shards(files_b)
    details, common = _compare_schemas(a.schema(), b.schema())
    key = _sorted_key(a, b, common)
    only = [0, 0]
    gaps = dict.fromkeys(common, Gap())
    for first, second in _matched(a, b, common, key, only):
        for column in common:
            gaps[column] += _column_gap(first[column], second[column], tolerance)
    if any(only):
        details.append(Detail("rows", note=f"{only[0]:,} only in A, {only[1]:,} only in B"))
    return details + [Detail(column, found) for column, found in gaps.items() if found.differing]


def _compare_schemas(a: pa.Schema, b: pa.Schema) -> tuple[list[Detail], list[str]]:
    details, common = [], []
    for name in [*a.names, *(name for name in b.names if name not in a.names)]:
        if name not in a.names or name not in b.names:
            details.append(Detail(name, note=f"only in {'A' if name in a.names else 'B'}"))
        elif a.field(name).type != b.field(name).type:
            details.append(Detail(name, note=f"type {a.field(name).type} against {b.field(name).type}"))
        else:
            common.append(name)
    return details, common


def _sorted_key(a: _Shards, b: _Shards, common: Sequence[str]) -> str | None:
    """The column to match rows by, after a look at its values alone."""
    key = next(iter(a.schema().names), None)
    if key is None or key not in common or not pa.types.is_string(a.schema().field(key).type):
        return None
    return key if all(_is_sorted(side, key) for side in (a, b)) else None


def _is_sorted(side: _Shards, key: str) -> bool:
    last = ""
    for batch in side.batches([key]):
        values = batch.column(0).to_pylist()
        if None in values or any(first > second for first, second in pairwise([last, *values])):
            return False
        last = values[-1] if values else last
    return True


class _Reader:
    """Rows of one table on their way through a merge: some are held, more are fetched when asked for."""

    def __init__(self, side: _Shards, columns: Sequence[str], key: str | None) -> None:
        schema = pa.schema([side.schema().field(name) for name in columns])
        self.held = schema.empty_table()
        self.batches = side.batches(columns)
        self.key, self.taken, self.done = key, 0, False

    def fetch(self) -> None:
        """Hold at least one batch more, if there is one."""
        batch = next(self.batches, None)
        if batch is None:
            self.done = True
        else:
            self.held = pa.concat_tables([self.held, pa.Table.from_batches([batch])])

    def keys(self) -> NDArray[Any]:
        """Ids of the rows held, or their numbers."""
        if self.key is None:
            return np.arange(self.taken, self.taken + len(self.held))
        return np.array(self.held[self.key].to_pylist(), dtype=object)

    def take(self, count: int) -> pa.Table:
        """The first rows held, which are let go."""
        rows, self.held = self.held.slice(0, count), self.held.slice(count).combine_chunks()
        self.taken += count
        return rows


def _matched(
    a: _Shards, b: _Shards, columns: Sequence[str], key: str | None, only: list[int]
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Rows of both tables that belong together, some at a time; the others are counted in ``only``."""
    readers = [_Reader(side, columns, key) for side in (a, b)]
    while True:
        for reader in readers:
            while not reader.done and len(reader.held) < _ROWS:
                reader.fetch()
        keys = [reader.keys() for reader in readers]
        ends = [_safe(ids, reader.done) for ids, reader in zip(keys, readers, strict=True)]
        limits = [ids[end] for ids, end in zip(keys, ends, strict=True) if end < len(ids)]
        counts = [_before(ids, end, limits) for ids, end in zip(keys, ends, strict=True)]
        if not any(counts):
            if all(reader.done for reader in readers):
                return
            for reader in readers:
                reader.fetch()  # one id fills all that is held
            continue
        parts = [reader.take(count) for reader, count in zip(readers, counts, strict=True)]
        pairs = _join(*(_identity(part, ids) for part, ids in zip(parts, keys, strict=True)))
        for side, (part, rows) in enumerate(zip(parts, pairs, strict=True)):
            only[side] += len(part) - len(rows)
        if len(pairs[0]):
            yield parts[0].take(pairs[0]), parts[1].take(pairs[1])


def _safe(ids: NDArray[Any], done: bool) -> int:
    """How many of the rows held have an id of which no further row can come."""
    return len(ids) if done or not len(ids) else int(np.searchsorted(ids, ids[-1]))


def _before(ids: NDArray[Any], end: int, limits: Sequence[Any]) -> int:
    """How many rows come before every id of which a table may still have more."""
    return min([end, *(int(np.searchsorted(ids, limit)) for limit in limits)])


def _identity(rows: pa.Table, ids: NDArray[Any]) -> pd.DataFrame:
    """What rows are told apart by: their ids, then texts and whole numbers."""
    exact = [field.name for field in rows.schema if pa.types.is_string(field.type) or pa.types.is_integer(field.type)]
    frame = rows.select(exact).to_pandas()
    frame.columns = [f"column {name}" for name in exact]
    return frame.assign(id=ids[: len(rows)], row=np.arange(len(rows)))


def _join(a: pd.DataFrame, b: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the rows that match, in the order of the first table."""
    more = (a.groupby("id").size() - b.groupby("id").size()).fillna(1)
    uneven = more.index[more != 0]
    parts = []
    for chosen, on in (
        ([side[~side["id"].isin(uneven)] for side in (a, b)], ["id"]),
        ([side[side["id"].isin(uneven)] for side in (a, b)], [name for name in a.columns if name != "row"]),
    ):
        first, second = (
            side.assign(nth=side.groupby(on, dropna=False).cumcount())[[*on, "nth", "row"]] for side in chosen
        )
        parts.append(first.merge(second, on=[*on, "nth"], suffixes=("_a", "_b"))[["row_a", "row_b"]])
    matched = pd.concat(parts).sort_values("row_a")
    return matched["row_a"].to_numpy(np.int64), matched["row_b"].to_numpy(np.int64)


def _column_gap(a: pa.ChunkedArray, b: pa.ChunkedArray, tolerance: float) -> Gap:
    """How far a column is apart on both sides, row by row; a null equals only a null."""
    if a.equals(b):
        return Gap()
    filled = pc.and_(a.is_valid(), b.is_valid())
    unequal_nulls = pc.sum(pc.xor(a.is_valid(), b.is_valid())).as_py() or 0
    total = Gap(unequal_nulls, unequal_nulls)
    a, b = a.filter(filled), b.filter(filled)
    if pa.types.is_list(a.type) or pa.types.is_fixed_size_list(a.type) or pa.types.is_large_list(a.type):
        return total + _list_gap(a.to_pylist(), b.to_pylist(), tolerance)
    if pa.types.is_integer(a.type) or pa.types.is_floating(a.type):
        return total + gap(a.to_numpy(), b.to_numpy(), tolerance)
    first, second = a.to_pylist(), b.to_pylist()
    unequal = sum(x != y for x, y in zip(first, second, strict=True))
    return total + Gap(unequal, unequal)


def _list_gap(a: list[list[Any]], b: list[list[Any]], tolerance: float) -> Gap:
    total = Gap()
    for first, second in zip(a, b, strict=True):
        if len(first) == len(second):
            total += gap(np.array(first), np.array(second), tolerance)
        else:
            longer = max(len(first), len(second))
            total += Gap(longer, longer)
    return total
