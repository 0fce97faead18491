"""Perceptual hash: 64 bits that stay nearly the same where an image does.

The hash is the DCT hash of Zauner, *Implementation and Benchmarking of Perceptual Image Hash Functions* (2010,
section 3.2.1) and of the pHash library. Here the picture is averaged down to 32×32 by area, which makes the
mean filter before it needless, and the transform is computed in integers, so that the bits are the same on every
machine. The hash is a column for whoever looks for a picture; near-duplicates are searched with the unrounded
coefficients (:mod:`media.alike`).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake_pipeline.media.images import RGBImage, resize

BITS = 64
_SIDE = 32

_angles = np.outer(np.arange(1, 9), 2 * np.arange(_SIDE) + 1) * np.pi / (2 * _SIDE)
_COSINES = np.rint(np.cos(_angles) * 2**14).astype(np.int64)  # frequencies 1 to 8, in fixed point


def perceptual_hash(rgb: RGBImage) -> int:
    """64-bit DCT hash of an image: bit is 1 where a low-frequency coefficient exceeds their median.

    The 8×8 coefficients of frequencies 1 to 8 in both directions are used, so brightness does not matter.
    A picture without structure (flat, or a plain gradient along one side) has coefficients tied at zero and hence
    few bits set.

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
