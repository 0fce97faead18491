"""Releases as folders, and the one in use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kedro.io import Version
from kedro_datasets._typing import JSONPreview

from deepfake_pipeline.datasets.base import LocalDataset
from deepfake_pipeline.scoring.release import (
    Release,
    hashes_of,
    packaged_release,
    read_champion,
    read_release,
    write_release,
)


class ReleaseDataset(LocalDataset[Release, Release]):
    """Saves and loads a :class:`Release`; a versioned one is called by its version.

    Args:
        filepath: the folder.
        version: Kedro's version, where the entry is ``versioned: true``.
        metadata: see :class:`LocalDataset`.
        else_packaged: load the release of the package as long as none was saved.
    """

    def __init__(
        self,
        *,
        filepath: str,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
        else_packaged: bool = False,
    ) -> None:
        super().__init__(filepath=filepath, version=version, metadata=metadata)
        self._else_packaged = else_packaged

    def load(self) -> Release:
        return packaged_release() if self._is_packaged() else super().load()

    def _is_packaged(self) -> bool:
        wants_latest = self._version is not None and self._version.load is None
        return self._else_packaged and wants_latest and not self.exists()

    def write(self, data: Release, path: Path) -> None:
        path.mkdir()
        write_release(data, path)

    def read(self, path: Path) -> Release:
        return read_release(path, version=path.parent.name if self._version else "")

    def preview(self) -> JSONPreview:
        """What the release that would be loaded says of itself."""
        release = self.load()
        facts = {
            "name": release.name,
            "threshold": release.threshold,
            "geometry": release.geometry.model_dump(mode="json"),
            "sha256": hashes_of(release),
            "card": release.card,
        }
        return JSONPreview(json.dumps(facts))


class ChampionDataset(LocalDataset[dict[str, Any], Release | None]):
    """Saves which release is in use, loads that release; None where there is none yet."""

    may_be_missing = True

    def write(self, data: dict[str, Any], path: Path) -> None:
        path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")

    def read(self, path: Path) -> Release | None:
        return read_champion(path) if path.exists() else None

    def preview(self) -> JSONPreview:
        """The name and the figures of the release in use; null where there is none yet."""
        return JSONPreview(self.path.read_text(encoding="utf-8") if self.path.exists() else "null")
