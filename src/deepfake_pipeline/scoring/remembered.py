"""What was worked out of a picture is not worked out again until it is forgotten."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]


class Remembered:
    """A function of pictures, each judged by itself, that keeps its results until :meth:`forget`.

    Args:
        compute: from uint8 ``(N, H, W, 3)``, N at least 1, to an array of N results.
    """

    def __init__(self, compute: Callable[[Images], NDArray[Any]]) -> None:
        self.compute = compute
        self._known: dict[bytes, Any] = {}

    def forget(self) -> None:
        """Know nothing, as at first."""
        self._known.clear()

    def __call__(self, pictures: Images) -> NDArray[Any]:
        """The results of N pictures, at least one, as a new array."""
        keys = [self._key(picture) for picture in pictures]
        new = {key: place for place, key in enumerate(keys) if key not in self._known}
        if new:
            self._known.update(zip(new, self.compute(pictures[list(new.values())]), strict=True))
        return np.stack([self._known[key] for key in keys])

    @staticmethod
    def _key(picture: Images) -> bytes:
        digest = hashlib.sha256(str(picture.shape).encode())
        digest.update(picture.tobytes())
        return digest.digest()
