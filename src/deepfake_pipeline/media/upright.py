"""Frames of a video as a player shows them: turned and mirrored as the display matrix of the file says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from deepfake_pipeline.media.images import RGBImage

Frame = Any  # av.VideoFrame


def rgb(frame: Frame) -> RGBImage:
    """Pixels as they are stored."""
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def upright(frame: Frame) -> RGBImage:
    """Pixels after the display matrix, by whole quarter turns and mirrorings."""
    image = rgb(frame)
    a, b, c, d = _axes(frame)
    if abs(b) > abs(a):
        image, right, down = image.transpose(1, 0, 2), c, b
    else:
        right, down = a, d
    return np.ascontiguousarray(image[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1])


def shown_size(frame: Frame) -> tuple[int, int]:
    """Height and width in px, upright."""
    a, b, _, _ = _axes(frame)
    return (frame.width, frame.height) if abs(b) > abs(a) else (frame.height, frame.width)


def turned(frame: Frame) -> int:
    """Degrees clockwise by which a stored frame is turned to stand upright: 0, 90, 180 or 270."""
    a, b, _, _ = _axes(frame)
    return round(math.atan2(b, a) / (math.pi / 2)) % 4 * 90


def _axes(frame: Frame) -> tuple[float, float, float, float]:
    """Where the display matrix sends the axes: x to the first two numbers, y to the others (right, down)."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return 1, 0, 0, 1
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32).tolist()
    return a, b, c, d
