"""Which faces of several frames are one person's: linked by place, size and colours, without any network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from scipy.optimize import linear_sum_assignment

from deepfake_pipeline.faces.boxes import corners, overlap
from deepfake_pipeline.faces.detections import Floats, Image

Look = npt.NDArray[np.float64]

_BINS = 8, 20, 20  # of lightness and of the two colour axes of CIELAB
_RANGES = (0, 256), (88, 168), (88, 168)  # on OpenCV's 8-bit scale; faces, hair and clothes hardly leave them
_AROUND = 0.15  # of the box on each side: hair and collar tell people apart better than skin does
_SIDE = 48  # px at which colours are counted
_HIDDEN = 0.1  # share of the smaller box
_NOTHING = 1e6  # cost of a link that is not allowed


class TrackParams(BaseModel):
    """When two faces of different frames are taken for one person's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_look: float = Field(
        0.5, ge=0, le=1, description="in [0, 1]: least likeness of colours of boxes that overlap by min_overlap"
    )
    min_overlap: float = Field(0.3, ge=0, le=1, description="intersection over union of boxes that hardly moved")
    min_look_apart: float = Field(
        0.75, ge=0, le=1, description="in [0, 1]: least likeness of colours of boxes that overlap less than that"
    )
    max_distance: float = Field(
        6.0, ge=0, le=100, description="sides of the box by which a face may have moved between two frames, at most"
    )
    max_growth: float = Field(2.0, ge=1, le=10, description="factor by which its box may have grown or shrunk")
    max_missing: int = Field(
        5, ge=0, le=10_000, description="frames in a row in which a person may be out of sight and still be known"
    )
    memory: float = Field(
        0.7, ge=0, lt=1, description="in [0, 1): share of what a person looked like that each new frame leaves"
    )


@dataclass(frozen=True)
class FrameFaces:
    """The faces of one frame.

    Attributes:
        boxes: float32 ``(n, 4)``: x, y, w, h in px.
        looks: ``(n, bins)``, of :func:`look`; rows sum to 1.
    """

    boxes: Floats
    looks: Look

    @classmethod
    def of(cls, image: Image, boxes: Floats) -> FrameFaces:
        """The faces of an RGB uint8 image ``(H, W, 3)``, which need not be kept."""
        looks = [look(image, box) for box in boxes]
        return cls(boxes, np.stack(looks) if looks else np.zeros((0, int(np.prod(_BINS)))))


def look(image: Image, box: npt.ArrayLike) -> Look:
    """Colours of a face and a little around it: their joint histogram in CIELAB, ``(3200,)``, summing to 1.

    Args:
        image: RGB uint8 ``(H, W, 3)``.
        box: x, y, w, h in px; what lies outside the image is left out.
    """
    x, y, w, h = np.asarray(box, np.float64)
    height, width = image.shape[:2]
    left, right = _inside(x - _AROUND * w, x + w + _AROUND * w, width)
    top, bottom = _inside(y - _AROUND * h, y + h + _AROUND * h, height)
    part = np.ascontiguousarray(image[top:bottom, left:right])
    lab = cv2.cvtColor(cv2.resize(part, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB)
    pixels = np.asarray(lab, np.float64).reshape(-1, 3)
    low, high = np.array(_RANGES, np.float64).T
    counts, _ = np.histogramdd(np.clip(pixels, low, high), bins=_BINS, range=_RANGES)
    smooth = np.stack([cv2.GaussianBlur(plane, (3, 3), 0.6) for plane in counts])  # noise moves colours a little
    return np.asarray(smooth.ravel() / smooth.sum())


def likeness(a: Look, b: Look) -> npt.NDArray[np.float64]:
    """Bhattacharyya coefficient of each look of ``a`` ``(n, bins)`` with each of ``b``: ``(n, m)`` in [0, 1]."""
    return np.asarray(np.minimum(np.sqrt(a) @ np.sqrt(b).T, 1.0))


def track_faces(frames: Iterable[FrameFaces], params: TrackParams | None = None) -> Iterator[list[int]]:
    """Number of the track of each face, frame by frame; a track is one person's faces.

    In each frame the faces are assigned to the tracks so that the sum of costs is least (Kuhn 1955, the Hungarian
    method), a new track costing more than any link that is allowed. A link costs what the colours differ plus
    how far the box went: where frames lie close together the place decides, where they lie far apart, or where
    two people cross, the colours do. Tracks are numbered from 0 in the order of their first faces.

    Args:
        frames: in the order of time.
        params: what is allowed.

    Yields:
        For each frame a number for each face, in the order of its boxes.
    """
    params = params or TrackParams()
    tracks: list[_Track] = []
    count = 0
    for frame in frames:
        numbers = [-1] * len(frame.boxes)
        hidden = _hidden(frame.boxes)
        for track, face in _assigned(tracks, frame, params):
            track.box = frame.boxes[face]
            if not hidden[face]:
                track.look = params.memory * track.look + (1 - params.memory) * frame.looks[face]
            numbers[face] = track.number
        for face, number in enumerate(numbers):
            if number < 0:
                tracks.append(_Track(count, frame.boxes[face], frame.looks[face]))
                numbers[face] = count
                count += 1
        seen = set(numbers)
        for track in tracks:
            track.missing = 0 if track.number in seen else track.missing + 1
        tracks = [track for track in tracks if track.missing <= params.max_missing]
        yield numbers


@dataclass
class _Track:
    number: int
    box: Floats
    look: Look
    missing: int = 0


def _hidden(boxes: Floats) -> npt.NDArray[np.bool_]:
    """Boxes that overlap another: one of the two shows the other's colours, which must not be learned."""
    shared = overlap(corners(boxes), corners(boxes), over="smaller")
    np.fill_diagonal(shared, 0)
    return np.asarray(shared.max(axis=1, initial=0) > _HIDDEN)


def _assigned(tracks: list[_Track], frame: FrameFaces, params: TrackParams) -> list[tuple[_Track, int]]:
    if not tracks or not len(frame.boxes):
        return []
    costs = _costs(np.stack([track.box for track in tracks]), np.stack([track.look for track in tracks]), frame, params)
    rows, columns = linear_sum_assignment(costs)
    return [(tracks[row], int(face)) for row, face in zip(rows, columns, strict=True) if costs[row, face] < _NOTHING]


def _costs(boxes: Floats, looks: Look, frame: FrameFaces, params: TrackParams) -> npt.NDArray[np.float64]:
    """What it costs to link each track with each face, ``(tracks, faces)``; at least ``_NOTHING`` if not allowed."""
    shared = overlap(corners(boxes), corners(frame.boxes))
    alike = likeness(looks, frame.looks)
    side, new_side = (np.sqrt(np.maximum(b[:, 2] * b[:, 3], 1e-9)).astype(np.float64) for b in (boxes, frame.boxes))
    centres, new_centres = (b[:, :2] + b[:, 2:] / 2 for b in (boxes, frame.boxes))
    way = np.linalg.norm(centres[:, None] - new_centres[None], axis=2)
    distance = way / np.sqrt(side[:, None] * new_side[None])
    growth = np.exp(np.abs(np.log(side[:, None] / new_side[None])))
    stayed = np.logical_and(shared >= params.min_overlap, alike >= params.min_look)
    moved = np.logical_and(distance <= params.max_distance, alike >= params.min_look_apart)
    allowed = np.logical_and(np.logical_or(stayed, moved), growth <= params.max_growth)
    unlike = np.sqrt(1 - alike)  # Hellinger distance: steeper than the coefficient where looks are close
    place = distance**2 / (1 + distance**2)  # convex while small: two short ways cost less than none and a long one
    return np.where(allowed, unlike + place, _NOTHING)


def _inside(low: float, high: float, size: int) -> tuple[int, int]:
    start = int(np.clip(np.floor(low), 0, size - 1))
    return start, int(np.clip(np.ceil(high), start + 1, size))
