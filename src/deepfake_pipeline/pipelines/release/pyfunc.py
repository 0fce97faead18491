"""A release as an MLflow model: pictures in as bytes or base64, rows of scores out."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from mlflow.pyfunc import PythonModel, PythonModelContext

from deepfake_pipeline.scoring.release import read_release
from deepfake_pipeline.scoring.score import FileScorer
from deepfake_pipeline.tables.schemas import SCORES

COLUMN = "image"
RELEASE = "release"
"""Name of the artifact that holds the release."""
DEFAULTS = {"allowed_root": "", "faces": "auto", "accelerator": "auto"}
"""Settings that ``mlflow.pyfunc.load_model(uri, model_config=...)`` may replace."""

_COLUMNS = [name for name in SCORES.names if name != "path"]
_REALS = [field.name for field in SCORES if pa.types.is_floating(field.type)]


class ForgeryScorer(PythonModel):  # type: ignore[misc]
    """Scores the pictures in the column ``image``.

    A picture is the bytes of an image file, or their base64. A path, of an image or a video, is read only where the
    one who loads the model says below which folder:
    ``mlflow.pyfunc.load_model(uri, model_config={"allowed_root": "/pictures"})``. A served model has no such folder,
    so that a request cannot read files of the server; a video sent as bytes is refused as ``unsupported_type``.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Read the release, and build what judges with it."""
        config = {**DEFAULTS, **(context.model_config or {})}
        release = read_release(Path(context.artifacts[RELEASE]), config.get("name"))
        self._scorer = FileScorer(release, config["faces"], config["accelerator"])
        self._root = Path(config["allowed_root"]).resolve() if config["allowed_root"] else None

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """One row a face (``level`` is "face"), and after them one a picture; ``input`` is the number of the picture.

        Raises:
            ValueError: no column ``image``, or a picture that is neither bytes nor base64 nor an allowed path.
        """
        if COLUMN not in model_input:
            raise ValueError(f"give a table with the column {COLUMN!r}: the bytes of image files, or their base64")
        files = [self._file_of(number, value) for number, value in enumerate(model_input[COLUMN])]
        rows = self._scorer.score((str(number), file) for number, file in enumerate(files))
        table = pd.DataFrame(rows, columns=["path", *_COLUMNS], dtype=object).rename(columns={"path": "input"})
        table = table.where(table.notna(), None)
        return table.astype({"input": "int64", **dict.fromkeys(_REALS, "float64")})

    def _file_of(self, number: int, value: Any) -> bytes | Path:
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value)
        if isinstance(value, str) and self._root is not None:
            path = (self._root / value).resolve()
            if path.is_relative_to(self._root) and path.is_file():
                return path
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError, TypeError) as error:
            raise ValueError(f"{COLUMN} {number} is neither the bytes of an image file nor their base64") from error
