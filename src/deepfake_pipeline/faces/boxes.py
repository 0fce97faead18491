"""Boxes as corners (x1, y1, x2, y2), pixel edges: overlap, non-maximum suppression, squares. NumPy only."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float64]

_BLOCK = 512


def overlap(a: Boxes, b: Boxes, over: Literal["union", "smaller"] = "union") -> npt.NDArray[np.float64]:
    """Share of overlap of each box of ``a`` with each of ``b``, in [0, 1].

    Args:
        a: corners ``(n, 4)``.
        b: corners ``(m, 4)``.
        over: ``union`` gives the intersection over the union; ``smaller`` over the smaller box of the two, so
            that a box inside another overlaps fully.

    Returns:
        float64 ``(n, m)``; 0 where both areas are zero.
    """
    width = np.minimum(a[:, None, 2], b[None, :, 2]) - np.maximum(a[:, None, 0], b[None, :, 0])
    height = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1])
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    area_a = ((a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1]))[:, None]
    area_b = ((b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]))[None, :]
    whole = area_a + area_b - shared if over == "union" else np.minimum(area_a, area_b)
    return np.asarray(shared / np.maximum(whole, 1e-12))


def suppress(
    boxes: Boxes,
    scores: npt.NDArray[np.floating],
    threshold: float,
    over: Literal["union", "smaller"] = "union",
) -> npt.NDArray[np.intp]:
    """Greedy non-maximum suppression.

    A box stays unless it overlaps one of a higher score that stays. Equal scores are ranked by coordinates,
    so that the result does not depend on the order of the boxes.

    Args:
        boxes: corners ``(n, 4)``.
        scores: ``(n,)``.
        threshold: two boxes exclude each other when their overlap is above this, in [0, 1].
        over: see :func:`overlap`.

    Returns:
        Indices of the boxes that stay, best score first.
    """
    order = np.lexsort((boxes[:, 3], boxes[:, 2], boxes[:, 1], boxes[:, 0], -scores))
    kept = order[:0]
    for start in range(0, len(order), _BLOCK):  # blocks: memory stays flat however many boxes there are
        block = order[start : start + _BLOCK]
        if len(kept):
            block = block[~(overlap(boxes[kept], boxes[block], over) > threshold).any(axis=0)]
        kept = np.concatenate([kept, block[_undominated(overlap(boxes[block], boxes[block], over) > threshold)]])
    return kept


def _undominated(excludes: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which of ``n`` ranked boxes stay, from who excludes whom ``(n, n)``.

    The greedy answer is the only one that agrees with itself, since a box depends on better ones alone. It is
    reached by repetition; each round settles at least one more box and a few rounds are enough in practice.
    """
    excludes = np.triu(excludes, k=1)
    stays: npt.NDArray[np.bool_] = np.ones(len(excludes), np.bool_)
    while True:
        settled = np.logical_not(excludes[stays].any(axis=0))
        if np.array_equal(settled, stays):
            return stays
        stays = settled


def moved(boxes: Boxes, offsets: npt.NDArray[np.floating]) -> Boxes:
    """Boxes with their corners moved by ``offsets`` ``(n, 4)``, given as shares of width and height."""
    size = boxes[:, 2:] - boxes[:, :2]
    return np.asarray(boxes + offsets * np.concatenate([size, size], axis=1))


def squared(boxes: Boxes) -> Boxes:
    """The square around the centre of each box that has the longer side of it."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def corners(boxes: npt.NDArray[np.floating]) -> Boxes:
    """Corners from x, y, w, h."""
    result = boxes.astype(np.float64)
    result[:, 2:] += result[:, :2]
    return result


def sides(boxes: Boxes) -> npt.NDArray[np.float32]:
    """x, y, w, h from corners."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).astype(np.float32)
