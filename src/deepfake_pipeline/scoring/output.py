"""Scores as a file or on a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.schemas import SCORES
from deepfake_pipeline.tables.stream import batches_of

Row = dict[str, Any]
SUFFIXES = (".parquet", ".csv")


def check_output(path: Path) -> None:
    """Refuse, before any work, a file that could not be written.

    Raises:
        UserError: another type than Parquet or CSV, or no such folder.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"cannot write {path}: the name must end in {' or '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise UserError(f"cannot write {path}: there is no folder {path.parent}")


def write_scores(rows: Iterable[Row], path: Path) -> None:
    """Write rows of ``tables.schemas.SCORES`` as Parquet or CSV, beside and then renamed."""
    beside = path.with_name(f".{path.name}.part")
    try:
        writer: Any = pq.ParquetWriter if path.suffix.lower() == ".parquet" else pacsv.CSVWriter
        with writer(beside, SCORES) as out:
            for batch in batches_of(SCORES, rows):
                out.write_batch(batch) if isinstance(out, pq.ParquetWriter) else out.write(batch)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def as_json(row: Row) -> str:
    """A row as one line of JSON with every column, null where there is nothing."""
    typed = pa.RecordBatch.from_pylist([row], schema=SCORES).to_pylist()[0]
    return json.dumps(typed, ensure_ascii=False)


def as_line(row: Row, width: int) -> str:
    """A row of the table on the terminal; the path takes ``width`` columns, its end is what is kept."""
    path = row["path"] if len(row["path"]) <= width else "…" + row["path"][-(width - 1) :]
    face = "" if row.get("face") is None else str(row["face"])
    probability = row.get("fake_probability")
    shown = "" if probability is None else f"{probability:.3f}"
    said = row.get("verdict") or f"not scored: {row.get('reason')}"
    return f"{path:<{width}}  {face:>4}  {row.get('crop') or '':<8}  {shown:>6}  {said}"


def heading(width: int) -> str:
    """The heading of the table on the terminal."""
    return f"{'file':<{width}}  {'face':>4}  {'crop':<8}  {'P fake':>6}  verdict"


def path_width(paths: Sequence[str], columns: int) -> int:
    """How many columns the path may take on a terminal of ``columns``."""
    longest = max((len(path) for path in paths), default=4)
    return max(12, min(longest, columns - 40))
