"""Packed faces: memory-mapped arrays from which training reads without decoding a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepfake_pipeline.tables.errors import UserError

_ID_TYPE = np.dtype("S64")


class PackedBatch(NamedTuple):
    """Some faces on their way into packed arrays."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int8]
    groups: list[str]
    face_ids: list[str]


@dataclass(frozen=True)
class PackedStream:
    """Faces to be packed: how many, their size in px, and the batches, consumed once."""

    count: int
    height: int
    width: int
    batches: Iterable[PackedBatch]


@dataclass(frozen=True)
class PackedFaces:
    """The faces of one split.

    Attributes:
        images: uint8 ``(N, H, W, 3)``, RGB, memory-mapped.
        labels: int8 ``(N,)``, 1 = forged.
        groups: bytes ``(N,)``, names of the groups.
        face_ids: bytes ``(N,)``.
        folder: in which they lie, None of arrays that lie in none; to another process they travel by its name.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int8]
    groups: NDArray[np.bytes_]
    face_ids: NDArray[np.bytes_]
    folder: Path | None = field(default=None, init=False, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.folder is not None:
            return open_packed, (self.folder,)
        return PackedFaces, (self.images, self.labels, self.groups, self.face_ids)

    def __len__(self) -> int:
        return len(self.labels)

    def fingerprint(self) -> str:
        """Hash of everything in the arrays: equal data, equal name of the checkpoint folder."""
        digest = hashlib.blake2b(digest_size=16)
        for array in (self.labels, self.groups, self.face_ids):
            digest.update(np.ascontiguousarray(array).data)
        for start in range(0, len(self), 256):
            digest.update(np.ascontiguousarray(self.images[start : start + 256]).data)
        return digest.hexdigest()


def write_packed(stream: PackedStream, folder: Path) -> None:
    """Write ``images.npy``, ``labels.npy``, ``groups.npy`` and ``face_ids.npy`` into an existing folder."""
    shape = (stream.count, stream.height, stream.width, 3)
    images = np.lib.format.open_memmap(folder / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
    labels = np.zeros(stream.count, np.int8)
    groups = np.zeros(stream.count, _ID_TYPE)
    face_ids = np.zeros(stream.count, _ID_TYPE)
    start = 0
    for batch in stream.batches:
        rows = slice(start, start := start + len(batch.labels))
        images[rows] = batch.images
        labels[rows] = batch.labels
        groups[rows] = [name.encode() for name in batch.groups]
        face_ids[rows] = [name.encode() for name in batch.face_ids]
    if start != stream.count:
        raise RuntimeError(f"{stream.count} faces were announced and {start} came")
    images.flush()
    for name, array in (("labels", labels), ("groups", groups), ("face_ids", face_ids)):
        np.save(folder / f"{name}.npy", array)


def open_packed(folder: Path) -> PackedFaces:
    """Open what :func:`write_packed` wrote; the images stay on disk until they are read.

    Raises:
        UserError: the folder lacks one of the four files.
    """
    try:
        faces = PackedFaces(
            images=np.load(folder / "images.npy", mmap_mode="r"),
            labels=np.load(folder / "labels.npy"),
            groups=np.load(folder / "groups.npy"),
            face_ids=np.load(folder / "face_ids.npy"),
        )
    except FileNotFoundError as error:
        raise UserError(f"{folder} holds no packed faces: {Path(error.filename).name} is missing") from error
    object.__setattr__(faces, "folder", folder)
    return faces
