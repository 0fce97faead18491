"""An image at many scales on one canvas, and small crops out of it. NumPy and OpenCV only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from deepfake_pipeline.faces.boxes import Boxes
from deepfake_pipeline.faces.detections import Image

_GREY = (128, 128, 128)  # what lies outside an image: 0 to the networks that read the crops
_SIDE_MAX = 30_000  # OpenCV samples no image with a longer side


@dataclass(frozen=True)
class Level:
    """One scale of an image and its place on the canvas, in px; all even."""

    top: int
    left: int
    height: int
    width: int

    def holds(self, windows: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Which windows, corners ``(n, 4)`` on the canvas, lie wholly on this level."""
        after_start = (windows[:, :2] >= [self.left, self.top]).all(axis=1)
        before_end = (windows[:, 2:] <= [self.left + self.width, self.top + self.height]).all(axis=1)
        return np.logical_and(after_start, before_end)


@dataclass(frozen=True)
class Layout:
    """All scales of an image side by side, so that one pass of a network sees them all."""

    height: int
    width: int
    levels: tuple[Level, ...]


@lru_cache(maxsize=256)
def layout_of(height: int, width: int, window: int, min_face: int, factor: float) -> Layout:
    """The scales at which a window sees faces of ``min_face`` px and more, packed on a canvas.

    Sizes are even, so that windows two pixels apart cover each level to its edges. The first level takes the
    whole width; the others fill what is free, largest first, which wastes a tenth of the canvas.

    Args:
        height: of the image, in px.
        width: of the image, in px.
        window: side of what the network sees, in px.
        min_face: side of the smallest face, in px of the image.
        factor: from one scale to the next.
    """
    levels: list[Level] = []
    scale = window / min_face
    across = 2 * round(width * scale / 2)
    free = [Level(0, 0, 1 << 62, across)]
    while min(height, width) * scale >= window:
        h, w = 2 * round(height * scale / 2), 2 * round(width * scale / 2)
        at = next(at for at, spot in enumerate(free) if spot.height >= h and spot.width >= w)
        spot = free[at]
        beside = Level(spot.top, spot.left + w, h, spot.width - w)
        below = Level(spot.top + h, spot.left, spot.height - h, spot.width)
        free[at : at + 1] = [beside, below]
        levels.append(Level(spot.top, spot.left, h, w))
        scale *= factor
    down = max((level.top + level.height for level in levels), default=0)
    return Layout(down, across, tuple(levels))


class Pyramid:
    """An image and its halvings, each made when first asked for.

    Everything is sampled from the smallest halving that still has the asked detail: that avoids aliasing
    and costs the same for a large image as for a small one.

    Args:
        image: RGB uint8 ``(H, W, 3)``.
    """

    def __init__(self, image: Image) -> None:
        self._halvings = [np.ascontiguousarray(image)]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in px of the image itself."""
        height, width = self._halvings[0].shape[:2]
        return height, width

    def scaled(self, height: int, width: int) -> Image:
        """The whole image at another, smaller size."""
        shrink = min(self.size[0] / height, self.size[1] / width)
        source = self._halved(int(np.log2(max(shrink, 1.0))))
        return np.asarray(cv2.resize(source, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)

    def on_canvas(self, layout: Layout) -> Image:
        """All levels of a layout in their places; grey between them."""
        canvas = np.full((layout.height, layout.width, 3), _GREY[0], np.uint8)
        for level in layout.levels:
            rows, columns = slice(level.top, level.top + level.height), slice(level.left, level.left + level.width)
            canvas[rows, columns] = self.scaled(level.height, level.width)
        return canvas

    def crops(self, boxes: Boxes, side: int) -> Image:
        """Square crops, grey where they reach beyond the image.

        Args:
            boxes: corners ``(n, 4)`` in pixels of the image.
            side: of the crops, in px.

        Returns:
            uint8 ``(n, side, side, 3)``.
        """
        result = np.empty((len(boxes), side, side, 3), np.uint8)
        shrink = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=1.0) / side
        halvings = np.log2(np.maximum(shrink, 1.0)).astype(int)
        halvings = np.maximum(halvings, int(np.ceil(np.log2(max(max(self.size) / _SIDE_MAX, 1.0)))))
        for level in np.unique(halvings):
            chosen = np.flatnonzero(halvings == level)
            result[chosen] = self._sampled(int(level), boxes[chosen], side)
        return result

    def _halved(self, times: int) -> Image:
        while len(self._halvings) <= times:
            last = self._halvings[-1]
            half = max(last.shape[1] // 2, 1), max(last.shape[0] // 2, 1)
            self._halvings.append(np.asarray(cv2.resize(last, half, interpolation=cv2.INTER_AREA), np.uint8))
        return self._halvings[times]

    def _sampled(self, level: int, boxes: Boxes, side: int) -> Image:
        source = self._halved(level)
        scale = np.array([source.shape[1] / self.size[1], source.shape[0] / self.size[0]])
        steps = (np.arange(side) + 0.5) / side
        start, size = boxes[:, :2] * scale, (boxes[:, 2:] - boxes[:, :2]) * scale
        x = start[:, :1] + steps * size[:, :1] - 0.5  # (n, side), in pixel centres
        y = start[:, 1:] + steps * size[:, 1:] - 0.5
        shape = (len(boxes), side, side)
        maps = [
            np.broadcast_to(grid, shape).astype(np.float32).reshape(-1, side) for grid in (x[:, None, :], y[:, :, None])
        ]
        rows = _SIDE_MAX // side * side
        parts = [
            cv2.remap(
                source,
                maps[0][at : at + rows],
                maps[1][at : at + rows],
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=_GREY,
            )
            for at in range(0, len(boxes) * side, rows)
        ]
        return np.asarray(np.concatenate(parts), np.uint8).reshape(*shape, 3)
