"""Layout ``manifest``: tables, CSV, Parquet or JSON Lines, that name files and their labels."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from deepfake_pipeline.media.layouts.base import FORGED, LayoutParams, MediaEntry, refused
from deepfake_pipeline.media.layouts.names import ClassNames, split_of
from deepfake_pipeline.media.paths import safe_path, walk_files
from deepfake_pipeline.tables import Reason, Refused
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.splits import Split

COLUMNS = ("file", "label", "original", "group", "split", "method")
REQUIRED = ("file", "label")
_DIGITS = {"0": "real", "1": "fake"}

Row = dict[str, str]  # the columns above, "" where absent


class Manifest:
    """Tables with the columns file and label and, if known, original, group, split and method; the case of their names
    does not matter, other columns are overlooked.

    All tables with these columns are read that lie at the least depth at which there is one (``metadata.csv``, or
    ``train.csv`` and ``test.csv``, or ``part_0/metadata.csv`` and ``part_1/metadata.csv``), or those that the parameter
    ``manifest`` names. A table that is named as a split gives it to its rows, unless they have their own. Of several
    rows of one file in different tables the first gives split and method; do their labels differ, the file is
    refused as ``label_conflict``.

    ``file`` is relative to the table (or to the root). ``label`` is a name of a class (:class:`ClassNames`), or 0 for
    real and 1 for forged. ``original`` is the file that a forgery was made from: a path relative to the root, to the
    table or to the forgery's own folder, or the bare name of a file that no other shares.

    **Groups**: a file belongs to its ``group`` and its ``original`` if it has them, else to itself; a file that is the
    original of others belongs to itself in any case. Files that no table names are no part of the dataset.
    """

    groups = "files, their originals, and the groups that the table gives"
    identities = False

    def recognise(self, root: Path, files: Sequence[str], params: LayoutParams) -> str | None:
        """See :class:`Layout`."""
        tables = [path for path in files if _is_table(path)]
        found = _matching(tables, params.manifest) if params.manifest else _shallowest(root, tables)
        return f"columns file and label in {', '.join(found[:4])}" if found else None

    def read(self, root: Path, params: LayoutParams) -> Iterator[MediaEntry]:
        """Every row of the tables; see :class:`Layout`."""
        files = list(walk_files(root))
        classes = ClassNames(params.class_map)
        tables: list[list[MediaEntry]] = []
        for path in _find(root, files, params.manifest):
            place = PurePosixPath(path)
            reader = _RowReader(path, _Files(files, place.parent), classes, split_of(place.stem, classes))
            tables.append([reader.entry(line, row) for line, row in _rows(root, path)])
        entries = tables[0] if len(tables) == 1 else _joined(tables)
        originals = {original for entry in entries for original in entry.memberships if original != entry.path}
        for entry in entries:
            if entry.path in originals and entry.path not in entry.memberships:
                yield replace(entry, memberships=(*entry.memberships, entry.path))
            else:
                yield entry


def _is_table(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in _READERS


def _matching(tables: list[str], wanted: str) -> list[str]:
    return [path for path in tables if path == wanted or fnmatchcase(path, wanted)]


def _find(root: Path, files: list[str], wanted: str) -> list[str]:
    tables = [path for path in files if _is_table(path)]
    if wanted:
        if found := _matching(tables, wanted):
            return found
        raise UserError(f"{root}: the manifest {wanted} is not there; tables are {', '.join(tables[:5]) or 'none'}")
    if found := _shallowest(root, tables):
        return found
    for depth in (1, 2):
        found = [path for path in tables if len(PurePosixPath(path).parts) == depth]
        if len(found) > 1:
            raise UserError(f"{root}: which is the manifest, {' or '.join(found[:5])}? Set `manifest` to its path")
        if found:
            return found  # reading it says what it lacks
    raise UserError(
        f"{root}: no manifest (.csv, .parquet or .jsonl with the columns file and label); try layout=auto or folders"
    )


def _shallowest(root: Path, tables: list[str]) -> list[str]:
    """The tables with the required columns at the least depth at which there is one."""
    by_depth: defaultdict[int, list[str]] = defaultdict(list)
    for path in tables:
        by_depth[len(PurePosixPath(path).parts)].append(path)
    for depth in sorted(by_depth):
        if found := [path for path in by_depth[depth] if _has_columns(root, path)]:
            return found
    return []


def _has_columns(root: Path, path: str) -> bool:
    try:
        next(_rows(root, path), None)
    except (UserError, OSError):
        return False
    return True


def _joined(tables: Iterable[list[MediaEntry]]) -> list[MediaEntry]:
    """Entries of several tables; a file that more than one of them names has one entry."""
    known: dict[str, MediaEntry] = {}
    extra: list[MediaEntry] = []
    for entries in tables:
        earlier = set(known)
        for entry in entries:
            if entry.path in earlier:
                known[entry.path] = _both(known[entry.path], entry)
            elif entry.path in known:
                extra.append(entry)
            else:
                known[entry.path] = entry
    return [*known.values(), *extra]


def _both(first: MediaEntry, second: MediaEntry) -> MediaEntry:
    labels = {first.label, second.label} - {None}
    conflict = Refused(Reason.LABEL_CONFLICT, "two tables give it different labels") if len(labels) > 1 else None
    return replace(
        first if first.label is not None else second,
        memberships=tuple(dict.fromkeys((*first.memberships, *second.memberships))),
        method=first.method or second.method,
        split=first.split or second.split,
        refused=conflict or (first.refused and second.refused),
    )


class _Files:
    """The files of the source, and how rows refer to them."""

    def __init__(self, files: list[str], base: PurePosixPath) -> None:
        self._files = frozenset(files)
        self._base = base
        self._named: dict[str, str] = {}
        shared: set[str] = set()
        for path in files:
            name = PurePosixPath(path).name
            if self._named.setdefault(name, path) != path:
                shared.add(name)
        for name in shared:
            del self._named[name]

    def find(self, path: str, own: PurePosixPath | None = None) -> str | None:
        """Path below the root of a file that a row names, or None."""
        folders = [self._base, PurePosixPath()] if own is None else [PurePosixPath(), self._base, own]
        for folder in folders:
            if (candidate := (folder / path).as_posix()) in self._files:
                return candidate
        return self._named.get(path)


@dataclass(frozen=True)
class _RowReader:
    manifest: str
    files: _Files
    classes: ClassNames
    split: Split | None  # of rows that name none

    def entry(self, line: int, row: Row) -> MediaEntry:
        """Entry of a row; a broken row is a refused entry that names its line."""
        place = f"{self.manifest}, row {line}"
        if not row.get("file"):
            return refused(place, Reason.UNREADABLE, f"row {line} is broken or names no file")
        try:
            path = safe_path(row["file"])
        except Refused as error:
            return refused(row["file"], error.reason, f"{error.detail} ({place})")
        found = self.files.find(path)
        if found is None:
            return refused(path, Reason.MISSING, f"named in {place}, not in the source")
        label = self._label(row["label"])
        unlabelled = Refused(Reason.UNLABELLED, f"label '{row['label']}' in {place}; see class_map")
        return MediaEntry(
            path=found,
            label=label,
            memberships=self._memberships(row, found),
            method=(row["method"] or None) if label == FORGED else None,
            split=split_of(row["split"], self.classes) or self.split,
            refused=unlabelled if label is None else None,
        )

    def _label(self, text: str) -> int | None:
        label = self.classes.label(text)
        return self.classes.label(_DIGITS.get(text.removesuffix(".0"), "")) if label is None else label

    def _memberships(self, row: Row, path: str) -> tuple[str, ...]:
        original = row["original"].replace("\\", "/")
        source = self.files.find(original, PurePosixPath(path).parent) or original
        return tuple(name for name in (source, row["group"]) if name) or (path,)


def _placed(manifest: str, names: list[str]) -> dict[str, int]:
    """Where each known column stands."""
    places = {name.strip().casefold(): number for number, name in reversed(list(enumerate(names)))}
    if missing := [name for name in REQUIRED if name not in places]:
        raise UserError(
            f"{manifest}: no column {' and no column '.join(missing)}; it has {', '.join(names[:20]) or 'none'}"
        )
    return {name: places[name] for name in COLUMNS if name in places}


def _csv_rows(root: Path, manifest: str) -> Iterator[tuple[int, Row]]:
    """Line number and cells of each row; a row that cannot be read has no cells.

    Each line is parsed by itself, so that a stray quote spoils one row and not all that follow.
    """
    with (root / manifest).open(encoding="utf-8-sig", errors="replace") as file:
        first = file.readline()
        delimiter = max(",;\t", key=first.count)
        places = _placed(manifest, _cells(first, delimiter))
        for number, line in enumerate(file, start=2):
            cells = _cells(line, delimiter)
            whole = len(cells) > max(places[name] for name in REQUIRED)
            yield number, {name: _cell(cells, places.get(name)) for name in COLUMNS} if whole else {}


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _cell(cells: list[str], place: int | None) -> str:
    return cells[place].strip() if place is not None and place < len(cells) else ""


def _parquet_rows(root: Path, manifest: str) -> Iterator[tuple[int, Row]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(root / manifest) as file:
            names = file.schema_arrow.names
            places = _placed(manifest, names)
            columns = [names[place] for place in places.values()]
            number = 1
            for batch in file.iter_batches(columns=columns):
                for cells in batch.to_pylist():
                    number += 1
                    row = {name: cells[names[places[name]]] if name in places else None for name in COLUMNS}
                    yield number, {name: "" if value is None else str(value).strip() for name, value in row.items()}
    except UserError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:  # ValueError: text that is not UTF-8
        raise UserError(f"{manifest}: a damaged Parquet file ({error})") from error


def _jsonl_rows(root: Path, manifest: str) -> Iterator[tuple[int, Row]]:
    """Line number and cells of each object; the columns are those of the first line that can be read."""
    with (root / manifest).open(encoding="utf-8-sig", errors="replace") as file:
        known = False
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            item = _object(line)
            if item and not known:
                _placed(manifest, list(item))
                known = True
            yield number, {name: _text(item.get(name)) for name in COLUMNS} if item else {}
        if not known:
            raise UserError(f"{manifest}: no line of it is a JSON object with file and label")


def _object(line: str) -> dict[str, Any] | None:
    """The JSON object of a line, names in small letters; None if it is none."""
    try:
        item = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return {name.strip().casefold(): value for name, value in item.items()} if isinstance(item, dict) else None


def _text(value: object) -> str:
    if value is None or isinstance(value, list | dict):
        return ""
    return str(int(value) if isinstance(value, bool) else value).strip()


_READERS: dict[str, Callable[[Path, str], Iterator[tuple[int, Row]]]] = {
    ".csv": _csv_rows,
    ".tsv": _csv_rows,
    ".parquet": _parquet_rows,
    ".jsonl": _jsonl_rows,
    ".ndjson": _jsonl_rows,
}


def _rows(root: Path, manifest: str) -> Iterator[tuple[int, Row]]:
    return _READERS[PurePosixPath(manifest).suffix.lower()](root, manifest)
