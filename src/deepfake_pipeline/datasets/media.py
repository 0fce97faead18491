"""Media as they come: used where they lie, or unpacked, fetched or rendered into a folder of the first layer."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import JSONPreview

from deepfake_pipeline.datasets.base import LocalDataset
from deepfake_pipeline.media.sources import Media, MediaSource

_POINTER = "source.json"


class MediaDataset(LocalDataset[Media, MediaSource]):
    """Saves what :func:`media.sources.locate` found, loads where the files lie now.

    A local folder is not copied: only a pointer to it is kept, relative to the project where it lies inside.
    """

    def write(self, data: Media, path: Path) -> None:
        path.mkdir()
        if data.folder is not None:
            pointer: dict[str, Any] = {"folder": str(data.folder), "rejected": []}
        else:
            files = path / "files"
            files.mkdir()
            pointer = {"folder": None, "rejected": data.write_into(files)}
        (path / _POINTER).write_text(json.dumps(pointer, indent=2) + "\n")

    def read(self, path: Path) -> MediaSource:
        pointer = json.loads((path / _POINTER).read_text())
        root = Path(pointer["folder"]) if pointer["folder"] else path / "files"
        return MediaSource(root, pointer["rejected"])

    def preview(self) -> JSONPreview:
        """Where the files lie, how many were unpacked, and why others were left behind.

        Of a folder used in place the name alone is told: a site that is shown to others names no path of a machine.
        """
        source = self.load()
        facts: dict[str, Any] = {"left behind": Counter(row["reason"] for row in source.rejected)}
        if source.root.parent == self.path:
            suffixes = (path.suffix.lower() or "none" for path in source.root.rglob("*") if path.is_file())
            facts["files by suffix"] = dict(sorted(Counter(suffixes).items()))
        else:
            facts["used in place"] = source.root.name
        return JSONPreview(json.dumps(facts))


class FolderHandle(AbstractDataset[None, Path]):
    """A folder that nodes may keep passing things in, such as checkpoints and half-finished downloads."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._folder = Path(filepath)
        self.metadata = metadata

    def load(self) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    def save(self, data: None) -> None:
        raise TypeError("a folder handle is only read: nodes write inside the folder")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder)}
