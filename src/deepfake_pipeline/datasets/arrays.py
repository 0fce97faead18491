"""Packed faces as a folder of arrays, memory-mapped when loaded."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
from kedro_datasets._typing import ImagePreview

from deepfake_pipeline.datasets.base import LocalDataset
from deepfake_pipeline.media.sheets import real_above_forged
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
        real, forged = (
            [packed.images[row] for row in np.flatnonzero(packed.labels == label)[: 2 * columns]] for label in (0, 1)
        )
        return ImagePreview(base64.b64encode(real_above_forged(real, forged, columns)).decode())
