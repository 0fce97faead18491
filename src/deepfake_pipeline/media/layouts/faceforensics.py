"""Layout ``faceforensics``: FaceForensics++ (Rössler et al. 2019, arXiv 1901.08971) and DeepFakeDetection."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from deepfake_pipeline.media.kinds import kind_of_name
from deepfake_pipeline.media.layouts.base import FORGED, REAL, LayoutParams, MediaEntry, refused, unlabelled
from deepfake_pipeline.media.layouts.documents import read_json
from deepfake_pipeline.media.layouts.names import ClassNames, split_of
from deepfake_pipeline.media.paths import walk_files
from deepfake_pipeline.tables import Refused
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.splits import SPLITS, Split

_ROOTS = {"original_sequences": REAL, "manipulated_sequences": FORGED}
_MASKS = "masks"
_YOUTUBE = re.compile(r"(\d+)(?:_(\d+))?")
_ACTORS = re.compile(r"(\d+)(?:_(\d+))?__\w+")


class Clip(NamedTuple):
    """A video, or the folder of its frames.

    Attributes:
        base: the folder that holds ``original_sequences`` or ``manipulated_sequences``.
        label: 1 forged, 0 real.
        source: ``youtube``, ``actors``, or the method of a forgery.
        name: of the video, without suffix.
        is_mask: True for what shows where a forgery was made.
    """

    base: str
    label: int
    source: str
    name: str
    is_mask: bool


Pairs = Mapping[frozenset[str], Split]  # the identities of a pair, or of one of its videos


class FaceForensics:
    """``original_sequences/<source>/<compression>/videos`` and ``manipulated_sequences/<method>/<compression>/videos``.

    Both may lie at any depth, at one or several compressions (c0, raw, c23, c40); ``images/<video>/`` with frames is
    read as ``videos`` is.

    **Labels** are the two roots; the **method** of a forgery is the folder of that name.

    **Groups**: ``071.mp4`` belongs to identity ``youtube/071``; ``071_054.mp4``, in whatever method, to ``youtube/071``
    and ``youtube/054``. DeepFakeDetection is named by actors: ``24__scene.mp4`` belongs to ``actors/24``,
    ``24_23__scene__code.mp4`` to ``actors/24`` and ``actors/23``. A name that gives no identity is ``unlabelled``:
    nobody could say what it leaks.

    **Splits**: the published JSON files with lists of pairs (``train.json``: ``[["071", "054"], …]``), wherever they
    lie in the source. A forgery has the split of its pair, or the one that both of its identities have; a real video
    that of its identity. What several files list has the first of train, validation and test: what is judged should
    not be known already. Actors have no official split.

    **Masks** (``manipulated_sequences/<method>/masks/videos``) are no samples: each is named in the entries of its
    video.
    """

    groups = "identities"
    identities = True

    def recognise(self, root: Path, files: Sequence[str], params: LayoutParams) -> str | None:
        """See :class:`Layout`."""
        clips = [path for path in files if (clip := _clip(path)) and not clip.is_mask]
        found = sorted({part for path in clips for part in PurePosixPath(path).parts if part.casefold() in _ROOTS})
        return f"media in {' and '.join(found)}" if found else None

    def read(self, root: Path, params: LayoutParams) -> Iterator[MediaEntry]:
        """Every media file below the root; see :class:`Layout`."""
        files = list(walk_files(root))
        if self.recognise(root, files, params) is None:
            raise UserError(f"{root}: no media in original_sequences or manipulated_sequences; try layout=auto")
        clips = {path: clip for path in files if (clip := _clip(path))}
        masks = {_masked(path, clip): path for path, clip in clips.items() if clip.is_mask}
        used: set[str] = set()
        pairs: dict[frozenset[str], Split] = {}
        for path in files:
            if path not in clips:
                yield from _other(root, path, pairs)
        for path, clip in clips.items():
            if not clip.is_mask:
                mask = masks.get(_masked(path, clip)) if clip.label == FORGED else None
                used |= {mask} if mask else set()
                yield _entry(path, clip, pairs, mask)
        for path in masks.values():
            if path not in used:
                yield unlabelled(path, "a mask whose video is not in the source")


def _clip(path: str) -> Clip | None:
    parts = PurePosixPath(path).parts
    place = next((n for n, part in enumerate(parts[:-2]) if part.casefold() in _ROOTS), None)
    kind = kind_of_name(path)
    if place is None or kind is None:
        return None
    source, *below = parts[place + 1 : -1]
    name = below[-1] if kind == "image" and below else PurePosixPath(path).stem
    is_mask = any(part.casefold() == _MASKS for part in below)
    return Clip("/".join(parts[:place]), _ROOTS[parts[place].casefold()], source, name, is_mask)


def _masked(path: str, clip: Clip) -> tuple[str, ...]:
    """What a mask and its video have in common: all compressions share one mask; frames have one each."""
    frame = PurePosixPath(path).stem if kind_of_name(path) == "image" else ""
    return (clip.base, clip.source, clip.name, frame)


def _identities(name: str) -> tuple[str, ...] | None:
    for pattern, source in ((_YOUTUBE, "youtube"), (_ACTORS, "actors")):
        if found := pattern.fullmatch(name):
            return tuple(f"{source}/{number}" for number in found.groups() if number)
    return None


def _other(root: Path, path: str, pairs: dict[frozenset[str], Split]) -> Iterator[MediaEntry]:
    """What is no clip: a file of pairs, which is noted, or something that has no place here."""
    split = split_of(PurePosixPath(path).stem, ClassNames({})) if path.lower().endswith(".json") else None
    if split is None:
        yield unlabelled(path, "in neither original_sequences nor manipulated_sequences, or not of a media type")
        return
    try:
        listed = read_json(root / path)
    except Refused as error:
        yield refused(path, error.reason, error.detail)
        return
    if not _are_pairs(listed):
        yield unlabelled(path, "no list of pairs of identities")
        return
    for pair in listed:
        names = [f"youtube/{name}" for name in pair]
        for key in (frozenset(names), *(frozenset((name,)) for name in names)):
            pairs[key] = min(pairs.get(key, split), split, key=SPLITS.index)


def _are_pairs(listed: Any) -> bool:
    return isinstance(listed, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(name, str) for name in pair) for pair in listed
    )


def _entry(path: str, clip: Clip, pairs: Pairs, mask: str | None) -> MediaEntry:
    identities = _identities(clip.name)
    if identities is None:
        return unlabelled(path, f"'{clip.name}' gives no identity (071, 071_054 or 24_23__scene__code)")
    own = {pairs.get(frozenset((identity,))) for identity in identities}
    return MediaEntry(
        path=path,
        label=clip.label,
        memberships=identities,
        method=clip.source if clip.label == FORGED else None,
        split=pairs.get(frozenset(identities), own.pop() if len(own) == 1 else None),
        mask=mask,
    )
