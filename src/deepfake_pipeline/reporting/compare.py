"""What two runs have in common: their data roots, dataset by dataset, in flat memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

from deepfake_pipeline.media.paths import is_litter, walk_files
from deepfake_pipeline.reporting.differences import (
    VERSION,
    compare_arrays,
    compare_bytes,
    compare_documents,
    compare_networks,
    compare_pictures,
    same_bytes,
)
from deepfake_pipeline.reporting.gaps import Damaged, Detail, reading
from deepfake_pipeline.reporting.table_differences import compare_tables
from deepfake_pipeline.tables.errors import UserError

Status = Literal["same", "close", "differs", "only A", "only B", "damaged"]

_LAYER = r"\d\d_\w+"  # 01_raw … 08_reporting
_SHARD = r"part-\d+\.parquet"
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")

Compare = Callable[[Path, Path, float], list[Detail]]
KINDS: dict[str, Compare] = {
    ".json": compare_documents,
    ".npy": compare_arrays,
    ".safetensors": compare_networks,
    **dict.fromkeys(_PICTURES, compare_pictures),
}


@dataclass(frozen=True)
class Comparison:
    """One dataset on both sides.

    Attributes:
        path: below the data root, with forward slashes and without the version; of a sharded table, its folder.
        status: ``same`` byte for byte; ``close``, all differences within the tolerance; ``differs``; ``only A`` and
            ``only B``; ``damaged``, one side cannot be read.
        details: in what it differs; of a damaged one, the reason.
    """

    path: str
    status: Status
    details: tuple[Detail, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether it is the same within the tolerance."""
        return self.status in ("same", "close")


class _Pair(NamedTuple):
    """The files of one dataset on both sides: one, or the shards of a table; none where it does not exist."""

    path: str
    a: tuple[Path, ...]
    b: tuple[Path, ...]


def data_root(path: Path) -> Path:
    """The folder of layers that a user means: the path itself, or ``data`` of a project's checkout.

    Raises:
        UserError: no layer is there, and where there are some.
    """
    if not path.is_dir():
        raise UserError(f"{path} is no folder")
    for folder in (path, path / "data"):
        if _layers(folder):
            return folder
    inside = sorted(str(found.parent) for found in chain(path.glob("*/01_raw"), path.glob("data/*/01_raw")))
    hint = f": name one of {', '.join(inside)}" if inside else " of 01_raw … 08_reporting"
    raise UserError(f"no data root at {path}: it has none of the layers{hint}")


def compare_runs(a: Path, b: Path, tolerance: float) -> Iterator[Comparison]:
    """Compare everything in the layers of two data roots; of versioned datasets, the newest versions.

    Args:
        a: a data root or a checkout; see :func:`data_root`.
        b: another.
        tolerance: real numbers may differ by it; see :func:`reporting.gaps.gap`.

    Yields:
        Every dataset, in the order of layers and names, the files of a folder before its folders; a folder that is
        on one side only is one.

    Raises:
        UserError: one of the two is no data root.
    """
    first, second = (_layers(data_root(path)) for path in (a, b))
    return _folders(first, second, "", tolerance)


def _layers(root: Path) -> dict[str, Path]:
    if not root.is_dir():
        return {}
    return {path.name: path for path in root.iterdir() if path.is_dir() and re.fullmatch(_LAYER, path.name)}


def _folders(a: dict[str, Path], b: dict[str, Path], path: str, tolerance: float) -> Iterator[Comparison]:
    for name in sorted(a.keys() | b.keys()):
        if name in a and name in b:
            yield from _walk(a[name], b[name], f"{path}{name}", tolerance)
        elif count := sum(1 for _ in walk_files(a.get(name) or b[name])):
            note = Detail("", note=f"{count:,} file{'s' * (count > 1)}")
            yield Comparison(f"{path}{name}", "only A" if name in a else "only B", (note,))


def _walk(a: Path, b: Path, path: str, tolerance: float) -> Iterator[Comparison]:
    """Everything below two folders of one name."""
    (files_a, folders_a), (files_b, folders_b) = _listing(a), _listing(b)
    for pair in _pairs(files_a, files_b, path):
        yield _compared(pair, tolerance)
    yield from _folders(folders_a, folders_b, f"{path}/", tolerance)


def _listing(folder: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Files and folders in a folder; what lies in the newest version stands beside what has none."""
    with reading(folder):
        entries = [entry for entry in folder.iterdir() if not is_litter([entry.name])]
        folders = {entry.name: entry for entry in entries if entry.is_dir() and not _leads_back(entry)}
        files = {entry.name: entry for entry in entries if entry.is_file() or _is_broken_link(entry)}
    versions = sorted(name for name in folders if re.fullmatch(VERSION, name))
    if versions:
        newest_files, newest_folders = _listing(folders[versions[-1]])
        folders = {name: inner for name, inner in folders.items() if name not in versions} | newest_folders
        files |= newest_files
    return files, folders


def _leads_back(folder: Path) -> bool:
    """Whether it is a link to a folder that it lies in."""
    return folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())


def _is_broken_link(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def _pairs(a: dict[str, Path], b: dict[str, Path], path: str) -> Iterator[_Pair]:
    """The datasets of two folders; numbered shards are one table, whatever their number."""
    shards_a, shards_b = _shards(a), _shards(b)
    if shards_a or shards_b:
        yield _Pair(path, shards_a, shards_b)
    for name in sorted(a.keys() | b.keys()):
        if not re.fullmatch(_SHARD, name):
            first, second = (((side[name],) if name in side else ()) for side in (a, b))
            yield _Pair(f"{path}/{name}", first, second)


def _shards(files: dict[str, Path]) -> tuple[Path, ...]:
    return tuple(file for name, file in sorted(files.items()) if re.fullmatch(_SHARD, name))


def _compared(pair: _Pair, tolerance: float) -> Comparison:
    if not pair.a or not pair.b:
        return Comparison(pair.path, "only A" if pair.a else "only B")
    try:
        if _same(pair.a, pair.b):
            return Comparison(pair.path, "same")
        details = tuple(_details(pair, tolerance))
    except Damaged as error:
        return Comparison(pair.path, "damaged", (Detail("", note=str(error)),))
    return Comparison(pair.path, "close" if all(detail.within for detail in details) else "differs", details)


def _same(a: Sequence[Path], b: Sequence[Path]) -> bool:
    for file in (*a, *b):
        with reading(file), file.open("rb"):
            pass
    names_agree = [file.name for file in a] == [file.name for file in b]
    return names_agree and all(same_bytes(first, second) for first, second in zip(a, b, strict=True))


def _details(pair: _Pair, tolerance: float) -> list[Detail]:
    suffix = pair.a[0].suffix.lower()
    if suffix == ".parquet":
        return compare_tables(pair.a, pair.b, tolerance)
    return KINDS.get(suffix, compare_bytes)(pair.a[0], pair.b[0], tolerance)
