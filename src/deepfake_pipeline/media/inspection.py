"""A look at a source: what would be ingested, counted, without keeping anything."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from deepfake_pipeline.media.archives import ArchiveLimits
from deepfake_pipeline.media.index import IndexResult, index_source
from deepfake_pipeline.media.index_params import IndexParams
from deepfake_pipeline.media.layouts import resolve_layout
from deepfake_pipeline.media.leaks import split_leaks
from deepfake_pipeline.media.sources import MediaSource, locate
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.tables.splits import SPLITS

LARGEST_GROUPS = 3
_LABELS = {0: "real", 1: "forged", None: "unknown"}


@dataclass(frozen=True)
class Inspection:
    """What would be ingested.

    Attributes:
        layout: by which the source is read.
        why: what showed that it is of this layout.
        files: that would be in the manifest.
        kinds: of them images, and videos.
        audio: videos by the codec of their sound, which is left aside; ``none`` for those without.
        labels: real, forged, unknown.
        given_faces: labels of the faces that the dataset annotates; empty where it annotates none.
        methods: of the forgeries, most frequent first; ``not told`` for those without.
        splits: labels of the files in each split.
        groups: number, median size and size of the largest, in files.
        largest_groups: name and size of the largest ones.
        leaks: what lies in several splits, with its files in each; only official splits leak.
        near_duplicates: pairs of files in different splits that look alike.
        refused: rows of ``REJECTED_FILES``, by path.
    """

    layout: str
    why: str
    files: int
    kinds: dict[str, int]
    audio: dict[str, int]
    labels: dict[str, int]
    given_faces: dict[str, int]
    methods: dict[str, int]
    splits: dict[str, dict[str, int]]
    groups: dict[str, float]
    largest_groups: dict[str, int]
    leaks: dict[str, dict[str, int]]
    near_duplicates: int
    refused: list[dict[str, str]]

    @property
    def reasons(self) -> dict[str, int]:
        """How many files are refused for each reason, most frequent first."""
        return dict(Counter(row["reason"] for row in self.refused).most_common())

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self) | {"reasons": self.reasons}


def inspect_source(
    study: DatasetStudy, params: IndexParams, limits: ArchiveLimits | None = None, workers: int = 1
) -> Inspection:
    """Look at ``study.uri`` as ingestion would. An archive is unpacked into a temporary folder, and removed.

    Args:
        study: where the source is and its layout.
        params: how to read, check and split.
        limits: of archives; by default those of :class:`ArchiveLimits`.
        workers: processes that read files.

    Raises:
        UserError: as :func:`locate` and :func:`index_source` do.
    """
    with tempfile.TemporaryDirectory(prefix="inspect-source-") as scratch:
        media = locate(study, Path(scratch) / "download", limits or ArchiveLimits())
        root = media.folder or Path(scratch) / "files"
        root.mkdir(exist_ok=True)
        source = MediaSource(root, media.write_into(root))
        layout, why = resolve_layout(study.layout, root, params)
        read = study.model_copy(update={"layout": layout})
        return _counted(layout, why, index_source(source, read, params, workers))


def _counted(layout: str, why: str, result: IndexResult) -> Inspection:
    kinds: Counter[str] = Counter()
    audio: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    faces: Counter[str] = Counter()
    methods: Counter[str] = Counter()
    groups: Counter[str] = Counter()
    splits: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in _rows(result.manifest):
        label = _LABELS[row["label"]]
        kinds[row["kind"]] += 1
        if row["kind"] == "video":
            audio[row["audio"] or "none"] += 1
        labels[label] += 1
        splits[row["split"]][label] += 1
        groups[row["group"]] += 1
        faces.update(_LABELS[face["label"]] for face in row["given_faces"] or ())
        if row["label"] == 1:
            methods[row["method"] or "not told"] += 1
    sizes = list(groups.values()) or [0]
    return Inspection(
        layout=layout,
        why=why,
        files=labels.total(),
        kinds=dict(sorted(kinds.items())),
        audio=dict(sorted(audio.items())),
        labels=_ordered(labels),
        given_faces=_ordered(faces),
        methods=dict(sorted(methods.items(), key=lambda item: (-item[1], item[0]))),
        splits={split: _ordered(splits[split]) for split in SPLITS},
        groups={"count": len(groups), "median": median(sizes), "largest": max(sizes)},
        largest_groups=dict(sorted(groups.items(), key=lambda item: (-item[1], item[0]))[:LARGEST_GROUPS]),
        leaks={leak.membership: leak.files for leak in split_leaks(result.manifest)},
        near_duplicates=sum(batch.num_rows for batch in result.near_duplicates),
        refused=list(_rows(result.rejected)),
    )


def _rows(batches: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for batch in batches:
        yield from batch.to_pylist()


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: counts[name] for name in _LABELS.values() if name in counts}


def as_lines(found: Inspection, most_refused: int = 20) -> Iterator[str]:
    """The inspection for people to read.

    Args:
        found: what was counted.
        most_refused: refused files that are listed by name, at most.
    """
    yield f"layout: {found.layout} ({found.why})"
    yield f"files: {found.files:,}{_listed(found.kinds, ' (', ')')}"
    if found.audio:
        yield f"sound of the videos, left aside: {_listed(found.audio)}"
    yield f"labels: {_listed(found.labels) or 'none'}"
    if found.given_faces:
        yield f"annotated faces: {_listed(found.given_faces)}"
    yield f"methods: {_listed(found.methods) or 'none'}"
    for split, counts in found.splits.items():
        yield f"split {split}: {sum(counts.values()):,}{_listed(counts, ' (', ')')}"
    groups = found.groups
    yield f"groups: {groups['count']:,}, median size {groups['median']:g}, largest {_listed(found.largest_groups)}"
    yield f"in several splits: {len(found.leaks):,} identities or source videos{_first(found.leaks)}"
    yield f"near-duplicates across splits: {found.near_duplicates:,}"
    yield f"refused: {len(found.refused):,}{_listed(found.reasons, ' (', ')')}"
    for row in found.refused[:most_refused]:
        yield f"  {row['path']}: {row['reason']}, {row['detail']}"
    if len(found.refused) > most_refused:
        yield f"  … and {len(found.refused) - most_refused:,} more: --json lists all"


def _listed(counts: Mapping[str, int], before: str = "", after: str = "") -> str:
    text = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    return f"{before}{text}{after}" if text else ""


def _first(names: Iterable[str]) -> str:
    shown = list(names)[:5]
    return f" ({', '.join(shown)} …)" if shown else ""
