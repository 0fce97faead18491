"""Tables as streams of record batches, so that memory stays flat at any size.

A node returns a :class:`RecordStream`; the dataset writes it once, in shards; what is loaded again is a
:class:`ParquetTable`, which reads batch by batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq

if TYPE_CHECKING:
    import pandas as pd

BATCH_ROWS = 256
GROUP_ROWS = 256
SHARD_ROWS = 4096


class Table(Protocol):
    """What nodes read: batch by batch, or whole where only small columns are asked for."""

    @property
    def schema(self) -> pa.Schema: ...

    def batches(
        self,
        columns: Sequence[str] | None = None,
        where: pads.Expression | None = None,
        rows: int = BATCH_ROWS,
    ) -> Iterator[pa.RecordBatch]: ...

    def read(self, columns: Sequence[str] | None = None, where: pads.Expression | None = None) -> pd.DataFrame: ...

    def count(self, where: pads.Expression | None = None) -> int: ...


@dataclass(frozen=True)
class RecordStream:
    """Rows on their way to a dataset: a schema and an iterable of record batches, consumed once."""

    schema: pa.Schema
    source: Iterable[pa.RecordBatch] | Callable[[], Iterable[pa.RecordBatch]]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        yield from self.source() if callable(self.source) else self.source

    @classmethod
    def of_rows(cls, schema: pa.Schema, rows: Iterable[dict[str, Any]]) -> RecordStream:
        """A stream of dictionaries; a missing key is null, an unknown one an error."""
        return cls(schema, batches_of(schema, rows))


def batches_of(schema: pa.Schema, rows: Iterable[dict[str, Any]], size: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
    """Gather dictionaries into record batches of at most ``size`` rows.

    Raises:
        KeyError: a row has a key that the schema lacks.
    """
    held: list[dict[str, Any]] = []
    known = set(schema.names)
    for row in rows:
        if unknown := row.keys() - known:
            raise KeyError(f"columns {sorted(unknown)} are not in the schema {sorted(known)}")
        held.append(row)
        if len(held) == size:
            yield pa.RecordBatch.from_pylist(held, schema=schema)
            held = []
    if held:
        yield pa.RecordBatch.from_pylist(held, schema=schema)


@dataclass(frozen=True)
class ParquetTable:
    """A table on disk: a folder of Parquet shards, read in the order of their names."""

    path: Path

    @property
    def _dataset(self) -> pads.Dataset:
        return pads.dataset(sorted(str(p) for p in self.path.glob("*.parquet")), format="parquet")

    @property
    def schema(self) -> pa.Schema:
        """Column names and types."""
        return self._dataset.schema

    def batches(
        self,
        columns: Sequence[str] | None = None,
        where: pads.Expression | None = None,
        rows: int = BATCH_ROWS,
    ) -> Iterator[pa.RecordBatch]:
        """Record batches in the table's own order, at most ``rows`` rows each."""
        scanner = self._dataset.scanner(
            columns=list(columns) if columns else None,
            filter=where,
            batch_size=rows,
            batch_readahead=2,
            fragment_readahead=1,
        )
        for batch in scanner.to_batches():
            if batch.num_rows:
                yield batch

    def read(self, columns: Sequence[str] | None = None, where: pads.Expression | None = None) -> pd.DataFrame:
        """The asked columns as a data frame, in the table's own order."""
        frame: pd.DataFrame = self._dataset.to_table(
            columns=list(columns) if columns else None, filter=where
        ).to_pandas()
        return frame

    def count(self, where: pads.Expression | None = None) -> int:
        """How many rows."""
        return int(self._dataset.count_rows(filter=where))


def write_shards(stream: RecordStream, folder: Path) -> int:
    """Write a stream as ``part-00000.parquet`` … into an existing folder; an empty one gives one empty shard.

    The bytes depend on the rows alone, not on how they were batched, and one row group at a time is held in
    memory. Returns the number of rows.
    """
    rows = 0
    for number, shard in enumerate(_shards(_even(stream, GROUP_ROWS), SHARD_ROWS // GROUP_ROWS)):
        path = folder / f"part-{number:05d}.parquet"
        with pq.ParquetWriter(path, stream.schema, compression="zstd") as writer:
            for table in shard:
                writer.write_table(table, row_group_size=GROUP_ROWS)
                rows += table.num_rows
    if rows == 0:
        pq.write_table(stream.schema.empty_table(), folder / "part-00000.parquet", compression="zstd")
    return rows


def _even(batches: Iterable[pa.RecordBatch], size: int) -> Iterator[pa.Table]:
    """Cut a stream anew, into tables of exactly ``size`` rows (the last may be shorter)."""
    held: list[pa.RecordBatch] = []
    waiting = 0
    for batch in batches:
        rest = batch
        while rest.num_rows:
            part = rest.slice(0, size - waiting)
            rest = rest.slice(part.num_rows)
            held.append(part)
            waiting += part.num_rows
            if waiting == size:
                yield pa.Table.from_batches(held).combine_chunks()
                held, waiting = [], 0
    if held:
        yield pa.Table.from_batches(held).combine_chunks()


def _shards(tables: Iterator[pa.Table], length: int) -> Iterator[Iterator[pa.Table]]:
    for first in tables:
        yield chain([first], islice(tables, length - 1))
