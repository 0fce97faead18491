"""Layout ``manifest``: one table, CSV or Parquet, that names files and their labels."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from deepfake_pipeline.media.layouts.base import FORGED, LayoutParams, MediaEntry
from deepfake_pipeline.media.layouts.names import ClassNames, split_of
from deepfake_pipeline.media.paths import safe_path, walk_files
from deepfake_pipeline.tables import Reason, Refused
from deepfake_pipeline.tables.errors import UserError

COLUMNS = ("file", "label", "original", "group", "split", "method")
REQUIRED = ("file", "label")
_DIGITS = {"0": "real", "1": "fake"}

Row = dict[str, str]  # the columns above, "" where absent


class Manifest:
    """A table in the root or one level down, with the columns file and label and, if known, original, group, split
    and method; the case of their names does not matter, other columns are overlooked.

    ``file`` is relative to the manifest (or to the root). ``label`` is a name of a class (:class:`ClassNames`), or
    0 for real and 1 for forged. ``original`` is the file that a forgery was made from: a path relative to the
    root, to the manifest or to the forgery's own folder, or the bare name of a file that no other shares.

    **Groups**: a file belongs to its ``group`` and its ``original`` if it has them, else to itself; a file that is the
    original of others belongs to itself in any case. Files that the manifest does not name are no part of the
    dataset.
    """

    def read(self, root: Path, params: LayoutParams) -> Iterator[MediaEntry]:
        """Every row of the manifest; see :class:`Layout`."""
        files = list(walk_files(root))
        manifest = _find(root, files, params.manifest)
        reader = _RowReader(manifest, _Files(files, PurePosixPath(manifest).parent), ClassNames(params.class_map))
        rows = _parquet_rows(root, manifest) if manifest.lower().endswith(".parquet") else _csv_rows(root, manifest)
        entries = [reader.entry(line, row) for line, row in rows]
        originals = {original for entry in entries for original in entry.memberships if original != entry.path}
        for entry in entries:
            if entry.path in originals and entry.path not in entry.memberships:
                yield replace(entry, memberships=(*entry.memberships, entry.path))
            else:
                yield entry


def _find(root: Path, files: list[str], wanted: str) -> str:
    tables = [path for path in files if PurePosixPath(path).suffix.lower() in (".csv", ".parquet")]
    if wanted:
        if wanted not in files:
            raise UserError(f"{root}: the manifest {wanted} is not there; tables are {', '.join(tables[:5]) or 'none'}")
        return wanted
    for depth in (1, 2):
        found = [path for path in tables if len(PurePosixPath(path).parts) == depth]
        if len(found) > 1:
            raise UserError(f"{root}: which is the manifest, {' or '.join(found[:5])}? Set `manifest` to its path")
        if found:
            return found[0]
    raise UserError(f"{root}: no manifest (a .csv or .parquet with the columns file and label); try layout=folders")


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

    def entry(self, line: int, row: Row) -> MediaEntry:
        """Entry of a row; a broken row is a refused entry that names its line."""
        place = f"{self.manifest}, row {line}"
        if not row.get("file"):
            reason = "is broken or names no file"
            return _refused(place, Refused(Reason.UNREADABLE, f"row {line} {reason}"))
        try:
            path = safe_path(row["file"])
        except Refused as refused:
            return _refused(row["file"], Refused(refused.reason, f"{refused.detail} ({place})"))
        found = self.files.find(path)
        if found is None:
            return _refused(path, Refused(Reason.MISSING, f"named in {place}, not in the source"))
        label = self._label(row["label"])
        unlabelled = Refused(Reason.UNLABELLED, f"label '{row['label']}' in {place}; see class_map")
        return MediaEntry(
            path=found,
            label=label,
            memberships=self._memberships(row, found),
            method=(row["method"] or None) if label == FORGED else None,
            split=split_of(row["split"], self.classes),
            refused=unlabelled if label is None else None,
        )

    def _label(self, text: str) -> int | None:
        label = self.classes.label(text)
        return self.classes.label(_DIGITS.get(text.removesuffix(".0"), "")) if label is None else label

    def _memberships(self, row: Row, path: str) -> tuple[str, ...]:
        original = row["original"].replace("\\", "/")
        source = self.files.find(original, PurePosixPath(path).parent) or original
        return tuple(name for name in (source, row["group"]) if name) or (path,)


def _refused(path: str, refused: Refused) -> MediaEntry:
    return MediaEntry(path=path, label=None, memberships=(path,), refused=refused)


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
