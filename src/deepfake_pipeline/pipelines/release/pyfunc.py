"""A release as an MLflow model: pictures in as bytes or base64, rows of scores out."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any

import pandas as pd
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


class ForgeryScorer(PythonModel):  # type: ignore[misc]
    """Scores the pictures in the column ``image``.

    A picture is the bytes of an image file, or their base64. A path is read only where the one who loads the model
    says below which folder: ``mlflow.pyfunc.load_model(uri, model_config={"allowed_root": "/pictures"})``. A served
    model has no such folder, so that a request cannot read files of the server.
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
        """One row a face, or one a picture that could not be scored; ``input`` is the number of the picture.

        Raises:
            ValueError: no column ``image``, or a picture that is neither bytes nor base64 nor an allowed path.
        """
        if COLUMN not in model_input:
            raise ValueError(f"give a table with the column {COLUMN!r}: the bytes of image files, or their base64")
        pictures = [self._bytes_of(number, value) for number, value in enumerate(model_input[COLUMN])]
        rows = self._scorer.score([(str(number), data) for number, data in enumerate(pictures)])
        table = pd.DataFrame(rows).reindex(columns=["path", *_COLUMNS]).rename(columns={"path": "input"})
        table["input"] = table["input"].astype("int64")
        return table.astype({name: "object" for name in ("sha256", "crop", "verdict", "reason", "release")}).where(
            table.notna(), None
        )

    def _bytes_of(self, number: int, value: Any) -> bytes:
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value)
        if isinstance(value, str) and self._root is not None:
            path = (self._root / value).resolve()
            if path.is_relative_to(self._root) and path.is_file():
                return path.read_bytes()
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError, TypeError) as error:
            raise ValueError(f"{COLUMN} {number} is neither the bytes of an image file nor their base64") from error
