"""Releases as folders."""

from __future__ import annotations

from pathlib import Path

from kedro_datasets._typing import JSONPreview

from deepfake_pipeline.datasets.base import LocalDataset
from deepfake_pipeline.scoring.release import Release, read_release, write_release


class ReleaseDataset(LocalDataset[Release, Release]):
    """Saves and loads a :class:`Release`."""

    def write(self, data: Release, path: Path) -> None:
        path.mkdir()
        write_release(data, path)

    def read(self, path: Path) -> Release:
        return read_release(path)

    def preview(self) -> JSONPreview:
        """What the release says of itself."""
        return JSONPreview((self.path / "release.json").read_text(encoding="utf-8"))
