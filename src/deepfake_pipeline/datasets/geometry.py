"""The geometry of face crops as JSON."""

from __future__ import annotations

from pathlib import Path

from kedro_datasets._typing import JSONPreview

from deepfake_pipeline.datasets.base import LocalDataset
from deepfake_pipeline.faces.geometry import CropGeometry


class CropGeometryDataset(LocalDataset[CropGeometry, CropGeometry]):
    """How a face is cut out of a picture, as JSON."""

    def write(self, data: CropGeometry, path: Path) -> None:
        path.write_text(data.to_json(), encoding="utf-8")

    def read(self, path: Path) -> CropGeometry:
        return CropGeometry.from_json(path.read_text(encoding="utf-8"))

    def preview(self) -> JSONPreview:
        """The document itself, for kedro-viz."""
        return JSONPreview(self.path.read_text(encoding="utf-8"))
