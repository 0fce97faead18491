"""From the faces of a video's frames to those that are kept: followed from frame to frame, the best of each person."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from deepfake_pipeline.faces.detections import Floats, Image
from deepfake_pipeline.faces.select import FaceQuality, SelectionParams, select_faces
from deepfake_pipeline.faces.track import FrameFaces, TrackParams, track_faces
from deepfake_pipeline.tables import Refused

Row = dict[str, Any]

_PENDING = 64  # crops that wait until it is known which of them are the best


class Candidate(NamedTuple):
    """A face of a frame.

    Attributes:
        row: of table ``FACES``, but for its track.
        quality: what it is selected by.
        box: x, y, w, h in px of the frame.
    """

    row: Row
    quality: FaceQuality
    box: Floats


def follow(
    frames: Iterable[tuple[Image, list[Candidate]]], tracking: TrackParams, selection: SelectionParams
) -> tuple[list[Row], list[tuple[Row, Refused]]]:
    """Faces of one video that are kept, with their tracks, and those that are not good enough, with the reason.

    A face that is good enough where its person has enough better ones is in neither, like the frames that were not
    looked at. Memory holds one frame and the crops of the best faces, however long the video is.

    Args:
        frames: RGB uint8 ``(H, W, 3)`` and the faces of each, in the order of time.
        tracking: which faces are one person's.
        selection: least qualities, and how many of a person are kept.
    """
    rows: list[Row] = []
    qualities: list[FaceQuality] = []
    tracks: list[int] = []
    pending = 0
    for candidate, track in _tracked(frames, tracking):
        rows.append({**candidate.row, "track": track})
        qualities.append(candidate.quality)
        tracks.append(track)
        pending += 1
        if pending == _PENDING:
            kept = set(select_faces(qualities, tracks, selection).kept)
            for place in set(range(len(rows))) - kept:  # who is not among the best now, will not be later
                rows[place].pop("crop", None)
            pending = 0
    selected = select_faces(qualities, tracks, selection)
    return [rows[place] for place in selected.kept], [
        (rows[place], refused) for place, refused in sorted(selected.refused.items())
    ]


def _tracked(frames: Iterable[tuple[Image, list[Candidate]]], tracking: TrackParams) -> Iterator[tuple[Candidate, int]]:
    waiting: deque[list[Candidate]] = deque()

    def looked_at() -> Iterator[FrameFaces]:
        for image, candidates in frames:
            waiting.append(candidates)
            yield FrameFaces.of(image, np.array([one.box for one in candidates], np.float32).reshape(-1, 4))

    for numbers in track_faces(looked_at(), tracking):
        yield from zip(waiting.popleft(), numbers, strict=True)
