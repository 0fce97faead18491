"""Degraded faces, made again from their recipes and kept while there is room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from deepfake_pipeline.degrade.base import Image
from deepfake_pipeline.degrade.recipe import Recipe, apply

_Key = tuple[str, str, int, int, str]


@dataclass
class DegradedFaces:
    """A cache of pixels, bounded in bytes, that forgets the face unused for longest. Threads may share it.

    Args:
        capacity: bytes of pixels to keep; 0 keeps nothing, and what is larger is made and not kept.
    """

    capacity: int
    hits: int = field(default=0, init=False)
    misses: int = field(default=0, init=False)
    size: int = field(default=0, init=False)
    _held: OrderedDict[_Key, Image] = field(default_factory=OrderedDict, init=False, repr=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def get(self, recipe: Recipe, image: Image | Callable[[], Image]) -> Image:
        """The degraded face, read-only: others may be handed the same array.

        Args:
            recipe: its ``face_id`` stands for the clean face: one cache serves faces of one size and crop.
            image: the clean face, or a function that loads it, which is called only where it is needed.
        """
        row = recipe.to_row()
        key = (recipe.face_id, recipe.degradation, recipe.severity, recipe.seed, row["parameters"])
        with self._lock:
            if key in self._held:
                self.hits += 1
                self._held.move_to_end(key)
                return self._held[key]
            self.misses += 1
        degraded = apply(recipe, image() if callable(image) else image)
        degraded.flags.writeable = False
        with self._lock:
            self._keep(key, degraded)
        return degraded

    def _keep(self, key: _Key, degraded: Image) -> None:
        if key in self._held or degraded.nbytes > self.capacity:
            return
        self._held[key] = degraded
        self.size += degraded.nbytes
        while self.size > self.capacity:
            _, forgotten = self._held.popitem(last=False)
            self.size -= forgotten.nbytes
