"""Layout ``celeb_df``: Celeb-DF, versions 1 and 2 (Li et al. 2020, arXiv 1909.12962)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from deepfake_pipeline.media.kinds import kind_of_name
from deepfake_pipeline.media.layouts.base import FORGED, REAL, LayoutParams, MediaEntry, refused, unlabelled
from deepfake_pipeline.media.paths import walk_files
from deepfake_pipeline.tables import Reason, Refused
from deepfake_pipeline.tables.errors import UserError

TESTING_LIST = "list_of_testing_videos.txt"
_CLASSES = {"celeb-real": REAL, "youtube-real": REAL, "celeb-synthesis": FORGED}
_REAL_NAME = re.compile(r"(id\d+)_\d+")
_FORGED_NAME = re.compile(r"(id\d+)_(id\d+)_\d+")
_LINE = re.compile(r"([01])\s+(\S.*)")
_LISTED = {"1": REAL, "0": FORGED}  # in the list, 1 is real


class Clip(NamedTuple):
    """A video, or the folder of its frames: where its class folder lies, which one it is, its name."""

    base: str
    folder: str
    name: str


class CelebDF:
    """``Celeb-real``, ``Celeb-synthesis`` and ``YouTube-real``, at any depth, and ``List_of_testing_videos.txt``.

    **Labels** are those folders. **Method** of a forgery: ``Celeb-synthesis``; the dataset knows one.

    **Groups**: a clip of ``Celeb-real/id0_0000.mp4`` belongs to identity ``id0``; ``Celeb-synthesis/id0_id1_0000.mp4``
    to ``id0``, whose video it is, and to ``id1``, whose face it shows. A video of ``YouTube-real`` has no identity and
    is its own group. A name that gives no identity is ``unlabelled``: nobody could say what it leaks.

    **Splits**: what the list names is ``test`` and all else ``train``; without a list there is no official split. In
    the list, 1 is *real*: a line that contradicts the folder refuses the video as ``label_conflict``. Lines that
    cannot be read, and listed videos that are not there, are refused too.

    Frames that lie in a folder named as their video (``Celeb-real/id0_0000/0001.png``) are read in the same way.
    """

    groups = "identities, and the videos of YouTube-real"
    identities = True

    def recognise(self, root: Path, files: Sequence[str], params: LayoutParams) -> str | None:
        """See :class:`Layout`."""
        folders = {part for path in files if kind_of_name(path) for part in PurePosixPath(path).parts[:-1]}
        found = sorted(folder for folder in folders if folder.casefold() in _CLASSES)
        return f"folders {', '.join(found)}" if found else None

    def read(self, root: Path, params: LayoutParams) -> Iterator[MediaEntry]:
        """Every media file below the root; see :class:`Layout`."""
        files = list(walk_files(root))
        if self.recognise(root, files, params) is None:
            raise UserError(f"{root}: no media in Celeb-real, Celeb-synthesis or YouTube-real; try layout=auto")
        lists = [path for path in files if PurePosixPath(path).name.casefold() == TESTING_LIST]
        clips = {path: _clip(path) for path in files if path not in lists}
        present = {clip for clip in clips.values() if clip}
        testing: dict[Clip, int] = {}
        for path in lists:
            yield from _read_list(root, path, present, testing)
        for path, clip in clips.items():
            if clip is None:
                yield unlabelled(path, "in no folder of Celeb-DF, or not of a media type")
            else:
                yield _entry(path, clip, testing if lists else None)


def _clip(path: str) -> Clip | None:
    parts = PurePosixPath(path).parts
    place = next((n for n, part in enumerate(parts[:-1]) if part.casefold() in _CLASSES), None)
    kind = kind_of_name(path)
    if place is None or kind is None:
        return None
    below = parts[place + 1 :]
    name = below[-2] if kind == "image" and len(below) > 1 else PurePosixPath(path).stem
    return Clip("/".join(parts[:place]), parts[place].casefold(), name)


def _read_list(root: Path, path: str, present: set[Clip], testing: dict[Clip, int]) -> Iterator[MediaEntry]:
    """Note the clips of one list, with their labels; what is wrong with the list is refused."""
    base = PurePosixPath(path).parent.as_posix().removeprefix(".")
    try:
        lines = (root / path).read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        yield refused(path, Reason.UNREADABLE, str(error))
        return
    for number, line in enumerate(lines, start=1):
        place = f"{path}, line {number}"
        if not line.strip():
            continue
        found = _LINE.fullmatch(line.strip())
        clip = _clip(f"{base}/{found[2]}".lstrip("/").replace("\\", "/")) if found else None
        if found is None or clip is None:
            yield refused(place, Reason.UNREADABLE, "not '1 Celeb-real/NAME.mp4' or the like")
            continue
        testing[clip] = _LISTED[found[1]]
        if clip not in present:
            yield refused(found[2], Reason.MISSING, f"named in {place}, not in the source")


def _entry(path: str, clip: Clip, testing: dict[Clip, int] | None) -> MediaEntry:
    label = _CLASSES[clip.folder]
    memberships = _memberships(clip)
    if memberships is None:
        return unlabelled(path, f"'{clip.name}' gives no identity (id0_0000, or id0_id1_0000 of a forgery)")
    conflict = None
    if testing and testing.get(clip, label) != label:
        conflict = Refused(Reason.LABEL_CONFLICT, "the list of testing videos says the other label (1 is real)")
    return MediaEntry(
        path=path,
        label=label,
        memberships=memberships,
        method="Celeb-synthesis" if label == FORGED else None,
        split=None if testing is None else "test" if clip in testing else "train",
        refused=conflict,
    )


def _memberships(clip: Clip) -> tuple[str, ...] | None:
    if clip.folder == "youtube-real":
        return (f"YouTube-real/{clip.name}",)
    pattern = _REAL_NAME if clip.folder == "celeb-real" else _FORGED_NAME
    found = pattern.fullmatch(clip.name)
    return found.groups() if found else None
