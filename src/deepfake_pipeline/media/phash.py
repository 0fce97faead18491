"""Perceptual hash: near-duplicate images, found by an exact all-against-all search.

The hash is the DCT hash of Zauner, *Implementation and Benchmarking of Perceptual Image Hash Functions* (2010,
section 3.2.1) and of the pHash library. Here the picture is averaged down to 32×32 by area, which makes the
mean filter before it needless, and the transform is computed in integers, so that the bits are the same on every
machine.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake_pipeline.media.images import RGBImage, resize

BITS = 64
MIN_SET_BITS = 8
_SIDE = 32
_BLOCK_CELLS = 1 << 20  # of the distance table that is held at a time: 8 MiB of XORs

_angles = np.outer(np.arange(1, 9), 2 * np.arange(_SIDE) + 1) * np.pi / (2 * _SIDE)
_COSINES = np.rint(np.cos(_angles) * 2**14).astype(np.int64)  # frequencies 1 to 8, in fixed point

Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int8]]


def perceptual_hash(rgb: RGBImage) -> int:
    """64-bit DCT hash of an image: bit is 1 where a low-frequency coefficient exceeds their median.

    The 8×8 coefficients of frequencies 1 to 8 in both directions are used, so brightness does not matter.
    A picture without structure (flat, or a plain gradient along one side) has coefficients tied at zero and hence
    few bits set; see :func:`is_informative`.

    Args:
        rgb: uint8, height × width × 3.
    """
    grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)
    small = resize(grey, _SIDE, _SIDE).astype(np.int64)
    coefficients = (_COSINES @ small @ _COSINES.T).ravel()
    middle = np.partition(coefficients, (BITS // 2 - 1, BITS // 2))
    bits = 2 * coefficients > middle[BITS // 2 - 1] + middle[BITS // 2]
    return int.from_bytes(np.packbits(bits).tobytes())


def hamming(a: NDArray[np.uint64] | int, b: NDArray[np.uint64] | int) -> NDArray[np.uint8]:
    """Number of differing bits, 0 to 64, of hashes or arrays of them (broadcast).

    >>> int(hamming(0b1100, 0b1010))
    2
    """
    difference: NDArray[np.uint64] = np.bitwise_xor(np.asarray(a, np.uint64), np.asarray(b, np.uint64))
    return np.bitwise_count(difference)


def is_informative(hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """True where a hash says something about its picture: at least 8 of its 64 bits are set.

    A textured picture has exactly 32. All flat pictures share the hash 0: compared by it, every black frame would
    be the duplicate of every white one.
    """
    return np.bitwise_count(hashes) >= MIN_SET_BITS


def near_pairs(hashes: NDArray[np.uint64], max_distance: int, keys: NDArray[np.int64] | None = None) -> Iterator[Pairs]:
    """All pairs of hashes that differ in few bits, by comparing all with all.

    Exact but for hashes that say nothing (:func:`is_informative`), which pair with none. Takes about 0.5 s for
    20,000 hashes and grows with the square; a block of 2^20 distances is held at a time.

    Args:
        hashes: uint64, n.
        max_distance: differing bits at most, 0 to 64.
        keys: integers, n; only pairs with different keys (their splits) are wanted. Without it, all are.

    Yields:
        ``(i, j, distance)``, arrays of equal length, i < j, in ascending order of (i, j) over all blocks.
    """
    places = np.flatnonzero(is_informative(hashes))
    known = hashes[places]
    rows = max(1, _BLOCK_CELLS // max(1, len(known)))
    for start in range(0, len(known), rows):
        block = known[start : start + rows, None]
        distances = hamming(block, known[None, start:])
        near_i, near_j = np.nonzero(distances <= max_distance)
        distance = distances[near_i, near_j].astype(np.int8)
        i, j = places[start + near_i], places[start + near_j]
        wanted = i < j
        if keys is not None:
            wanted &= keys[i] != keys[j]
        if wanted.any():
            yield i[wanted], j[wanted], distance[wanted]
