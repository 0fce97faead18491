"""Layout ``folders``: one directory a class, at any of the usual nestings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path, PurePosixPath

from deepfake_pipeline.media.kinds import kind_of_name
from deepfake_pipeline.media.layouts.base import FORGED, LayoutParams, MediaEntry
from deepfake_pipeline.media.layouts.names import ClassNames, split_of
from deepfake_pipeline.media.paths import walk_files
from deepfake_pipeline.tables import Reason, Refused


class Folders:
    """``root/Real/x.jpg``, ``root/Train/Fake/x.jpg``, ``root/Dataset/Fake/Test/x.jpg`` …

    **Labels** are the names of directories (:class:`ClassNames`). Directories that all labelled files share are
    taken for wrapping and not for a class, unless no class is left without them (``Deepfake Dataset/Real``).
    A file in no class directory, or in directories of both classes, is ``unlabelled``.

    **Method** of a forgery is the name of its class directory where that says more than *fake* (``FaceSwap``).

    **Splits**: a directory named Train, Validation, Val, Test … above or below the class directory; the
    outermost counts.

    **Groups**: this layout knows no identities. A file right in its class directory is grouped by its path without
    the class: ``Real/001.jpg`` and ``Fake/001.png`` share a group, since a forgery often keeps the name of the
    picture that it was made from, and grouping two strangers costs nothing where separating a pair would leak.
    ``Train/Real/001.jpg`` and ``Test/Real/001.jpg`` do not: numbers start anew in each split. Files in directories
    below the class (``Fake/video7/0001.png``) are grouped by those directories: frames of one video.
    """

    groups = "files of one name, or of one folder below a class"
    identities = False

    def recognise(self, root: Path, files: Sequence[str], params: LayoutParams) -> str | None:
        """Media in directories that name a class; see :class:`Layout`."""
        classes = ClassNames(params.class_map)
        media = [PurePosixPath(path) for path in files if kind_of_name(path)]
        wrapping = _wrapping([path.parts[:-1] for path in media], classes)
        named = {part for path in media for part in path.parts[wrapping:-1] if classes.label(part) is not None}
        return f"media in directories that name a class ({', '.join(sorted(named)[:4])})" if named else None

    def read(self, root: Path, params: LayoutParams) -> Iterator[MediaEntry]:
        """Every file below the root; see :class:`Layout`."""
        classes = ClassNames(params.class_map)
        paths = list(walk_files(root))
        wrapping = _wrapping([PurePosixPath(path).parts[:-1] for path in paths], classes)
        for path in paths:
            yield _entry(path, wrapping, classes)


def _wrapping(folders: Sequence[tuple[str, ...]], classes: ClassNames) -> int:
    """How many outer directories to overlook."""
    labelled = [parts for parts in set(folders) if _labels(parts, classes)]
    shared = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, zip(*labelled, strict=False)))
    return shared if any(_labels(parts[shared:], classes) for parts in labelled) else 0


def _labels(parts: Sequence[str], classes: ClassNames) -> set[int]:
    return {label for part in parts if (label := classes.label(part)) is not None}


def _entry(path: str, wrapping: int, classes: ClassNames) -> MediaEntry:
    whole = PurePosixPath(path)
    parts = whole.parts[wrapping:-1]
    splits = [split for part in whole.parts[:-1] if (split := split_of(part, classes))]
    labels = _labels(parts, classes)
    label = labels.pop() if len(labels) == 1 else None
    refused = None
    if label is None:
        detail = "its directories name both classes" if labels else "in no directory that names a class"
        refused = Refused(Reason.UNLABELLED, f"{detail}; see class_map")
    return MediaEntry(
        path=path,
        label=label,
        memberships=(_membership(parts, whole.stem, classes),),
        method=_method(parts, classes) if label == FORGED else None,
        split=splits[0] if splits else None,
        refused=refused,
    )


def _membership(parts: Sequence[str], stem: str, classes: ClassNames) -> str:
    named = [number for number, part in enumerate(parts) if classes.label(part) is not None]
    below = [part for part in parts[named[-1] + 1 :] if not split_of(part, classes)] if named else []
    if below:
        return "/".join(below)
    return "/".join([*(part for number, part in enumerate(parts) if number not in named), stem])


def _method(parts: Sequence[str], classes: ClassNames) -> str | None:
    named = [part for part in parts if classes.label(part) == FORGED]
    return next((method for part in reversed(named) if (method := classes.method(part))), None)
