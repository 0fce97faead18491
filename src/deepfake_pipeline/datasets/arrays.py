"""Packed faces as a folder of arrays, memory-mapped when loaded."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
from kedro_datasets._typing import ImagePreview

from deepfake_pipeline.datasets.base import LocalDataset
from deepfake_pipeline.media.images import contact_sheet, encode_image
from deepfake_pipeline.tables.packed import PackedFaces, PackedStream, open_packed, write_packed


class PackedFacesDataset(LocalDataset[PackedStream, PackedFaces]):
    """Saves a :class:`PackedStream`, loads :class:`PackedFaces` whose pictures stay on disk."""

    def write(self, data: PackedStream, path: Path) -> None:
        path.mkdir()
        write_packed(data, path)

    def read(self, path: Path) -> PackedFaces:
        return open_packed(path)

    def preview(self, columns: int = 8) -> ImagePreview:
        """Real faces in the first two rows, forged ones in the next two."""
        packed = self.load()
        chosen = [row for label in (0, 1) for row in np.flatnonzero(packed.labels == label)[: 2 * columns]]
        sheet = encode_image(contact_sheet([packed.images[row] for row in chosen], columns), "png")
        return ImagePreview(base64.b64encode(sheet).decode())
