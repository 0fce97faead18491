"""Small documents: JSON with stable bytes, text, pictures, and interactive figures."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import Any

from kedro_datasets._typing import HTMLPreview, ImagePreview, JSONPreview, PlotlyPreview

from deepfake_pipeline.datasets.base import LocalDataset


class JsonDataset(LocalDataset[Any, Any]):
    """JSON values; keys in the given order, floats as Python prints them, so that equal values are equal bytes."""

    def write(self, data: Any, path: Path) -> None:
        path.write_text(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")

    def read(self, path: Path) -> Any:
        return json.loads(path.read_text(encoding="utf-8"))

    def preview(self) -> JSONPreview:
        """The document itself, for kedro-viz."""
        return JSONPreview(self.path.read_text(encoding="utf-8"))


class VersionsDataset(LocalDataset[None, list[Any]]):
    """All versions of a versioned :class:`JsonDataset`, the oldest first; only read."""

    may_be_missing = True

    def write(self, data: None, path: Path) -> None:
        raise TypeError("all versions are read together and written one by one")

    def read(self, path: Path) -> list[Any]:
        files = sorted(path.glob(f"*/{path.name}"))
        return [json.loads(file.read_text(encoding="utf-8")) for file in files]

    def preview(self) -> JSONPreview:
        """The newest version; null where there is none yet."""
        return JSONPreview(json.dumps(next(reversed(self.load()), None)))


class TextDataset(LocalDataset[str, str]):
    """A text, such as a Markdown page."""

    def write(self, data: str, path: Path) -> None:
        path.write_text(data, encoding="utf-8")

    def read(self, path: Path) -> str:
        return path.read_text(encoding="utf-8")

    def preview(self) -> HTMLPreview:
        """The text as it was written, for kedro-viz."""
        return HTMLPreview(f"<pre>{html.escape(self.load())}</pre>")


class HtmlDataset(TextDataset):
    """One self-contained page."""

    def preview(self) -> HTMLPreview:
        """The page itself, for kedro-viz."""
        return HTMLPreview(self.load())


class PictureDataset(LocalDataset[bytes, bytes]):
    """An encoded picture (PNG)."""

    def write(self, data: bytes, path: Path) -> None:
        path.write_bytes(data)

    def read(self, path: Path) -> bytes:
        return path.read_bytes()

    def preview(self) -> ImagePreview:
        """The picture itself, for kedro-viz."""
        return ImagePreview(base64.b64encode(self.load()).decode())


class PlotlyDataset(LocalDataset[dict[str, Any], dict[str, Any]]):
    """An interactive figure: Plotly's own JSON (``data`` and ``layout``)."""

    def write(self, data: dict[str, Any], path: Path) -> None:
        path.write_text(json.dumps(data, allow_nan=False) + "\n", encoding="utf-8")

    def read(self, path: Path) -> dict[str, Any]:
        figure: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return figure

    def preview(self) -> PlotlyPreview:
        """The figure itself, for kedro-viz."""
        return PlotlyPreview(self.load())
