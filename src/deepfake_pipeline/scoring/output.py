"""Scores as a file or on a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
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


def table(rows: Iterable[Row], width: int) -> Iterator[str]:
    """The table on the terminal, line by line: a line a face, and one a file where its one face does not say it all.

    Args:
        rows: of ``tables.schemas.SCORES``, the faces of a file before the file.
        width: columns of the path.
    """
    yield f"{'file':<{width}}  {'time':>8}  {'track':>5}  {'face':>4}  {'crop':<7}  {'P fake':>6}  verdict"
    faces, of_video = 0, False
    for row in rows:
        if row["level"] == "face":
            faces, of_video = faces + 1, row.get("track") is not None
            yield _line(row, width)
        else:
            if faces != 1 or of_video:
                yield _line(row, width)
            faces, of_video = 0, False


def _line(row: Row, width: int) -> str:
    """A row of the table; of a path that is too long the end is kept."""
    path = row["path"] if len(row["path"]) <= width else "…" + row["path"][-(width - 1) :]
    time = "" if row.get("seconds") is None else f"{row['seconds']:.2f} s"
    track, face = ("" if row.get(name) is None else str(row[name]) for name in ("track", "face"))
    probability = row.get("fake_probability")
    shown = "" if probability is None else f"{probability:.3f}"
    if probability is None:
        said = "no_face" if row.get("verdict") == "no_face" else f"not scored: {row.get('reason')}"
    else:
        said = f"{row['verdict']}{' (whole file)' if row['level'] == 'file' else ''}"
        said += f", not all of it: {row['reason']}" if row.get("reason") else ""
    return f"{path:<{width}}  {time:>8}  {track:>5}  {face:>4}  {row.get('crop') or '':<7}  {shown:>6}  {said}"


def path_width(paths: Sequence[str], columns: int) -> int:
    """How many columns the path may take on a terminal of ``columns``."""
    longest = max((len(path) for path in paths), default=4)
    return max(12, min(longest, columns - 60))
