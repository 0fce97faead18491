"""Releases in MLflow: logged as models, registered, and called champion."""

from __future__ import annotations

import logging
from importlib import metadata
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import AnyType

from deepfake_pipeline.media.images import encode_image
from deepfake_pipeline.pipelines.release import served
from deepfake_pipeline.pipelines.release.pyfunc import COLUMN, DEFAULTS, RELEASE

CHAMPION = "champion"

_OUTPUTS = {
    **dict.fromkeys(("input", "frame", "track", "face"), DataType.long),
    **dict.fromkeys(("sha256", "level", "crop", "verdict", "reason", "release"), DataType.string),
    **dict.fromkeys(("seconds", "x", "y", "w", "h", "fake_probability", "sharpness", "brightness"), DataType.double),
}
_SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(AnyType(), COLUMN)]),
    outputs=Schema(
        [ColSpec(kind, name, required=name in ("input", "level", "release")) for name, kind in _OUTPUTS.items()]
    ),
)


def log_release(folder: Path, name: str, registered: str | None = None) -> str:
    """Log a release as a model of the active run, with signature and an example of its input.

    Args:
        folder: what ``scoring.release.write_release`` wrote.
        name: of the logged model.
        registered: name in the model registry under which it becomes the champion; None logs it alone.

    Returns:
        Address of the model.
    """
    logging.getLogger("mlflow.utils.requirements_utils").setLevel(logging.ERROR)  # the package is not on an index
    logged = mlflow.pyfunc.log_model(
        name=name,
        python_model=served.__file__,
        artifacts={RELEASE: str(folder)},
        pip_requirements=[f"deepfake-pipeline=={metadata.version('deepfake-pipeline')}"],
        signature=_SIGNATURE,
        input_example=_example(),
        model_config={**DEFAULTS, "name": _name(folder)},
        registered_model_name=registered,
    )
    if registered:
        mlflow.MlflowClient().set_registered_model_alias(registered, CHAMPION, logged.registered_model_version)
    return str(logged.model_uri)


def _name(folder: Path) -> str:
    """Version of a versioned release, else the name of its folder."""
    return folder.parent.name if folder.name == folder.parent.parent.name else folder.name


def _example() -> pd.DataFrame:
    """A plain grey picture: enough to show the form, and of nobody."""
    import base64

    picture = encode_image(np.full((64, 64, 3), 128, np.uint8), "png")
    return pd.DataFrame({COLUMN: [base64.b64encode(picture).decode()]})
