"""The index of a source: one row a usable file, one a refused file, one a near-duplicate across splits."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deepfake_pipeline.media.alike import THUMBNAIL_BYTES, Thumbnail, alike
from deepfake_pipeline.media.index_params import IndexParams
from deepfake_pipeline.media.layouts import LAYOUTS, GivenFace, MediaEntry, resolve_layout
from deepfake_pipeline.media.paths import is_encodable, printable, rejected_row
from deepfake_pipeline.media.scan import Scan, scan_files
from deepfake_pipeline.media.sources import MediaSource
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.tables import Reason, RecordStream, Refused, batches_of
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.ids import sample_id
from deepfake_pipeline.tables.schemas import MANIFEST, NEAR_DUPLICATES, REJECTED_FILES
from deepfake_pipeline.tables.splits import SPLITS, Deal, Split, deal

logger = logging.getLogger(__name__)

Refusal = tuple[str, Refused]  # a path, and why it is refused


class IndexResult(NamedTuple):
    """The index. Each stream can be read any number of times.

    Attributes:
        manifest: schema ``MANIFEST``, by sample_id.
        rejected: schema ``REJECTED_FILES``, by path.
        near_duplicates: schema ``NEAR_DUPLICATES``, by sample_a and sample_b, where sample_a < sample_b; computed when
            it is read.
    """

    manifest: RecordStream
    rejected: RecordStream
    near_duplicates: RecordStream


@dataclass(frozen=True, slots=True)
class _File:
    """An entry of the layout and what is in the file."""

    entry: MediaEntry
    scan: Scan


def index_source(
    source: MediaSource, study: DatasetStudy, params: IndexParams, workers: int = 1, labels_required: bool = True
) -> IndexResult:
    """Read every file of a source and decide which are used, in which group and split.

    Of exact copies (same bytes, same label) the first by path is used and the others are refused as ``duplicate``;
    an image under both labels is refused in all its copies, as ``label_conflict``. Groups are connected components
    over the memberships that the layout gives, and copies of one file join theirs, as near-duplicates do with
    ``near_duplicates: join``; a forgery of identities that lie in
    different splits is refused as ``cross_split`` (:func:`tables.splits.deal`). An official split is followed even
    where it leaks; :func:`media.leaks.split_leaks` names what it leaks. The result does not depend on the number of
    workers.

    Args:
        source: where the files lie; its refused files are taken over.
        study: name, layout and, for a trial, the single image.
        params: how to read, check and split.
        workers: processes that read files.
        labels_required: refuse files without a label, as ``unlabelled``; scoring needs none.

    Raises:
        UserError: the source is not of the study's layout, holds no file, or not the single image; or the official
            split is asked for and there is none.
    """
    layout, why = resolve_layout(study.layout, source.root, params)
    logger.info("%s: layout %s (%s)", study.name, layout, why)
    taken, refusals = _screen(_entries(source, layout, study, params), params, labels_required)
    files: list[_File] = []
    scans = scan_files(source.root, [entry.path for entry in taken], params.images, workers)
    for entry, scan in zip(taken, scans, strict=True):
        if isinstance(scan, Refused):
            refusals.append((entry.path, scan))
        else:
            files.append(_File(entry, scan))
    kept, copies = _distinct(files)
    memberships = _memberships(files)
    if params.near_duplicates == "join":
        memberships = _joined(kept, memberships, params)
    dealt = _deal(kept, memberships, params)
    rows = _rows(kept, memberships, dealt, study.name)
    thumbnails = {file.scan.sha256: file.scan.thumbnail for file in kept}
    rejected = _rejected(source.rejected, [*refusals, *copies, *_crossing(kept, dealt)])
    _report(study.name, rows, rejected, dealt)
    return IndexResult(
        RecordStream(MANIFEST, lambda: batches_of(MANIFEST, rows)),
        RecordStream(REJECTED_FILES, lambda: batches_of(REJECTED_FILES, rejected)),
        RecordStream(NEAR_DUPLICATES, lambda: _near_duplicates(rows, thumbnails, params)),
    )


def _entries(source: MediaSource, layout: str, study: DatasetStudy, params: IndexParams) -> list[MediaEntry]:
    entries = [_writable(entry) for entry in LAYOUTS[layout].read(source.root, params)]
    if not entries:
        raise UserError(f"{source.root}: no media file in the source; check study.uri and study.layout")
    if params.split_policy == "official" and not any(entry.split for entry in entries):
        raise UserError(f"{study.name}: layout {layout} finds no official split; set split_policy to hash")
    return _single(entries, study.single_image) if study.single_image else entries


def _writable(entry: MediaEntry) -> MediaEntry:
    """The entry with names that a table can hold: a document may tell text that is not valid, which is escaped."""
    told = (*entry.memberships, entry.method or "", entry.mask or "")
    if all(is_encodable(text) for text in told):
        return entry
    return replace(
        entry,
        memberships=tuple(printable(tag) for tag in entry.memberships),
        method=entry.method and printable(entry.method),
        mask=entry.mask and printable(entry.mask),
    )


def _single(entries: list[MediaEntry], wanted: str) -> list[MediaEntry]:
    found = [entry for entry in entries if entry.path == wanted]
    found = found or [entry for entry in entries if PurePosixPath(entry.path).name == wanted]
    if len(found) == 1:
        return found
    if found:
        paths = ", ".join(entry.path for entry in found[:3])
        raise UserError(f"study.single_image: {len(found)} files are called {wanted} ({paths}); give the path")
    raise UserError(f"study.single_image: no file of the source is called {wanted}")


def _screen(
    entries: Iterable[MediaEntry], params: IndexParams, labels_required: bool
) -> tuple[list[MediaEntry], list[Refusal]]:
    """Part the entries into those that are worth reading and those that are not."""
    taken: list[MediaEntry] = []
    refusals: list[Refusal] = []
    for entry in entries:
        if refused := _screened(entry, params, labels_required):
            refusals.append((entry.path, refused))
        else:
            taken.append(entry)
    return taken, refusals


def _screened(entry: MediaEntry, params: IndexParams, labels_required: bool) -> Refused | None:
    if not is_encodable(entry.path):
        return Refused(Reason.UNSAFE_PATH, "undecodable characters in the name")
    if entry.refused and entry.refused.reason is not Reason.UNLABELLED:
        return entry.refused
    if not labels_required:
        return None
    if not entry.is_labelled:
        return entry.refused or Refused(Reason.UNLABELLED, "no label")
    if params.split_policy == "official" and entry.split is None:
        return Refused(Reason.UNLABELLED, "in none of the official splits")
    return None


def _distinct(files: Sequence[_File]) -> tuple[list[_File], list[Refusal]]:
    """One file of each content, and the refusals of the others."""
    copies: defaultdict[str, list[_File]] = defaultdict(list)
    for file in files:
        copies[file.scan.sha256].append(file)
    kept: list[_File] = []
    refusals: list[Refusal] = []
    for same in copies.values():
        same.sort(key=lambda file: (file.entry.label is None, file.entry.path))
        first, *others = same
        if len({_truth(file.entry) for file in same} - {None}) > 1:
            refusals += [(file.entry.path, _conflict(file, same)) for file in same]
            continue
        kept.append(first)
        duplicate = Refused(Reason.DUPLICATE, f"same bytes as {first.entry.path}")
        refusals += [(file.entry.path, duplicate) for file in others]
    return kept, refusals


def _truth(entry: MediaEntry) -> object:
    """What the layout says of a file: its label or those of its faces; None if nothing."""
    return tuple((face.box, face.label) for face in entry.faces) or entry.label


def _conflict(file: _File, same: Sequence[_File]) -> Refused:
    other = next((f.entry.path for f in same if _truth(f.entry) not in (None, _truth(file.entry))), file.entry.path)
    return Refused(Reason.LABEL_CONFLICT, f"same bytes as {other}, which has another label")


def _memberships(files: Iterable[_File]) -> dict[str, tuple[str, ...]]:
    """What each content belongs to, by SHA-256: copies of one file bind the groups that they lie in, refused or not."""
    found: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for file in files:
        found[file.scan.sha256].update(dict.fromkeys(file.entry.memberships))
    return {sha256: tuple(tags) for sha256, tags in found.items()}


def _joined(
    kept: Sequence[_File], memberships: Mapping[str, tuple[str, ...]], params: IndexParams
) -> dict[str, tuple[str, ...]]:
    """Memberships in which near-duplicates belong to what the other belongs to, as copies of one file do.

    Near-duplicates in different official splits are left apart: these splits are followed.
    """
    files = sorted(kept, key=lambda file: file.scan.sha256)
    bound = [memberships[file.scan.sha256] for file in files]
    numbers = {tags: number for number, tags in enumerate(dict.fromkeys(bound))}
    keys = np.array([numbers[tags] for tags in bound], np.int64)
    pictures = _stacked(file.scan.thumbnail for file in files)
    joined = {sha256: dict.fromkeys(tags) for sha256, tags in memberships.items()}
    for pairs in alike(pictures, params.near_duplicate_similarity, keys):
        for i, j in zip(pairs.i, pairs.j, strict=True):
            if params.split_policy != "official" or files[i].entry.split == files[j].entry.split:
                joined[files[i].scan.sha256].update(dict.fromkeys(bound[j]))
                joined[files[j].scan.sha256].update(dict.fromkeys(bound[i]))
    return {sha256: tuple(tags) for sha256, tags in joined.items()}


def _stacked(thumbnails: Iterable[Thumbnail]) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(thumbnails), np.uint8).reshape(-1, THUMBNAIL_BYTES)


def _deal(kept: Sequence[_File], memberships: Mapping[str, Sequence[str]], params: IndexParams) -> Deal:
    """Groups and splits by SHA-256. Files of an official split follow it; its train is dealt, to carve out of it what
    the dataset lacks."""
    if params.split_policy != "official":
        shares: Mapping[Split, float] = {"test": 1.0} if params.split_policy == "test" else params.split_shares
        return deal(memberships, shares, params.split_salt)
    dealt = Deal({}, {}, {}, {})
    for official in (*SPLITS, None):
        own = {file.scan.sha256: memberships[file.scan.sha256] for file in kept if file.entry.split == official}
        part = deal(own, _shares_of(official, kept, params), params.split_salt)
        dealt.groups.update(part.groups)
        dealt.splits.update(part.splits)
        dealt.crossing.update(part.crossing)
        dealt.divided.update(part.divided)
    return dealt


def _shares_of(official: Split | None, files: Iterable[_File], params: IndexParams) -> Mapping[Split, float]:
    if official is None:
        return params.split_shares
    return _carved_shares(files, params) if official == "train" else {official: 1.0}


def _crossing(kept: Iterable[_File], dealt: Deal) -> Iterator[Refusal]:
    for file in kept:
        if own := dealt.crossing.get(file.scan.sha256):
            places = ", ".join(f"{tag} in {split}" for tag, split in own.items())
            yield file.entry.path, Refused(Reason.CROSS_SPLIT, f"it belongs to {places}")


def _rows(
    files: Iterable[_File], memberships: Mapping[str, Sequence[str]], dealt: Deal, source: str
) -> list[dict[str, Any]]:
    rows = []
    for file in files:
        entry, scan, sha256 = file.entry, file.scan, file.scan.sha256
        if sha256 in dealt.crossing:
            continue
        row: dict[str, Any] = asdict(scan)
        del row["thumbnail"]
        row |= {"sample_id": sample_id(sha256), "path": entry.path, "source": source}
        row |= {"label": entry.label, "method": entry.method, "mask": entry.mask, "given_faces": _given(entry.faces)}
        row |= {"group": dealt.groups[sha256], "split": dealt.splits[sha256], "memberships": memberships[sha256]}
        rows.append(row)
    return sorted(rows, key=lambda row: str(row["sample_id"]))


def _given(faces: Sequence[GivenFace]) -> list[dict[str, Any]] | None:
    if not faces:
        return None
    return [
        {**dict(zip("xywh", face.box, strict=True)), "label": face.label, "polygons": list(face.polygons)}
        for face in faces
    ]


def _carved_shares(files: Iterable[_File], params: IndexParams) -> dict[Split, float]:
    """What the official train split is dealt to: itself and those that the dataset lacks."""
    present = {file.entry.split for file in files}
    lacking: list[Split] = [split for split in ("validation", "calibration") if split not in present]
    return {"train": 1 - params.carved_share * len(lacking), **dict.fromkeys(lacking, params.carved_share)}


def _rejected(earlier: Sequence[dict[str, str]], refusals: Iterable[Refusal]) -> list[dict[str, str]]:
    """All refusals by path; that a file is missing is not news where it was refused before."""
    known = {row["path"] for row in earlier}
    rows = [rejected_row(path, refused) for path, refused in refusals]
    rows = [row for row in rows if row["reason"] != Reason.MISSING or row["path"] not in known]
    return sorted([*earlier, *rows], key=lambda row: (row["path"], row["reason"], row["detail"]))


def _near_duplicates(
    rows: Sequence[Mapping[str, Any]], thumbnails: Mapping[str, Thumbnail], params: IndexParams
) -> Iterator[pa.RecordBatch]:
    ids = pa.array([row["sample_id"] for row in rows], pa.string())
    splits = pa.array([row["split"] for row in rows], pa.string())
    keys = np.array([SPLITS.index(row["split"]) for row in rows], np.int64)
    pictures = _stacked(thumbnails[row["sha256"]] for row in rows)
    for i, j, similarity, mirrored in alike(pictures, params.near_duplicate_similarity, keys):
        columns = [ids.take(i), ids.take(j), splits.take(i), splits.take(j), pa.array(similarity), pa.array(mirrored)]
        yield pa.RecordBatch.from_arrays(columns, schema=NEAR_DUPLICATES)


def _report(name: str, rows: Sequence[Mapping[str, Any]], rejected: Sequence[Mapping[str, str]], dealt: Deal) -> None:
    reasons = Counter(row["reason"] for row in rejected).most_common()
    refused = ", ".join(f"{reason} {count:,}" for reason, count in reasons) or "none"
    logger.info("%s: %s files in the manifest; refused: %s", name, f"{len(rows):,}", refused)
    for group, count in dealt.divided.items():
        logger.warning(
            "%s: group %s holds %d of %d files; the identities in it are sent to splits one by one, and %d files that "
            "belong to several splits are refused",
            name, group, count, len(rows) + len(dealt.crossing), len(dealt.crossing),
        )  # fmt: skip
