"""Large pictures, a tile at a time: memory hardly grows with the picture, and no seam shows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from deepfake_pipeline.restore.base import Image, Repair

TILE = 512
OVERLAP = 64

BLOCK = 8
"""px: tiles begin where the blocks of JPEG begin, so that blocks lie in a tile as they lie in the picture."""


def repaired(image: Image, repair: Repair) -> Image:
    """A picture RGB uint8 ``(H, W, 3)`` repaired: at once by what judges a part by the whole, else in tiles.

    Of two tiles, such a repair would make two different things, and a seam between them.
    """
    return repair.apply(image) if repair.whole else in_tiles(image, repair.apply)


def in_tiles(image: Image, repair: Callable[[Image], Image], tile: int = TILE, overlap: int = OVERLAP) -> Image:
    """Repair a picture in overlapping tiles and blend them with weights that fall linearly to each tile's border.

    Tiles begin at multiples of :data:`BLOCK` px; the last of a row or column may be some px smaller than the others.
    A picture of one tile is repaired whole.

    Args:
        image: RGB uint8 ``(H, W, 3)``.
        repair: from RGB uint8 ``(h, w, 3)`` to the same shape.
        tile: side of a tile in px, at least two blocks.
        overlap: px that neighbours share at least, less than half a tile.

    Raises:
        ValueError: no such tile or overlap.
    """
    if tile < 2 * BLOCK or not 0 <= 2 * overlap < tile:
        raise ValueError(f"overlap {overlap} is not in [0, half of tile {tile}), or the tile is under {2 * BLOCK}")
    height, width = image.shape[:2]
    if height <= tile and width <= tile:
        return repair(image)
    result = np.empty_like(image)
    tops, lefts = _starts(height, tile, overlap), _starts(width, tile, overlap)
    carried = np.zeros((0, width, 4), np.float32)
    for top, end in zip(tops, [*tops[1:], height], strict=True):
        band = image[top : top + tile]
        sums = np.zeros((len(band), width, 4), np.float32)  # colours times weight, and the weight
        sums[: len(carried)] = carried
        for left in lefts:
            part = band[:, left : left + tile]
            weight = np.multiply.outer(_ramp(part.shape[0], overlap), _ramp(part.shape[1], overlap))[..., None]
            sums[:, left : left + tile] += np.concatenate([repair(part) * weight, weight], axis=2)
        done, carried = sums[: end - top], sums[end - top :]
        result[top:end] = np.clip(np.rint(done[..., :3] / done[..., 3:]), 0, 255).astype(np.uint8)
    return result


def few_starts(length: int, tile: int = TILE) -> list[int]:
    """Where up to three tiles begin, from one end to the other, at multiples of :data:`BLOCK`."""
    last = _last_start(length, tile)
    return sorted({0, last // 2 // BLOCK * BLOCK, last})


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    last = _last_start(length, tile)
    return [*range(0, last, (tile - overlap) // BLOCK * BLOCK), last]


def _last_start(length: int, tile: int) -> int:
    return -(-max(length - tile, 0) // BLOCK) * BLOCK


def _ramp(length: int, overlap: int) -> NDArray[np.float32]:
    steps = np.arange(1, length + 1, dtype=np.float32)
    return np.minimum(np.minimum(steps, steps[::-1]), overlap + 1)
