"""Predictions of faces as predictions of videos: what ``kedro score`` would say of the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from deepfake_pipeline.scoring.verdict import VerdictRule, file_row

Row = dict[str, Any]


def video_predictions(predictions: pd.DataFrame, traits: pd.DataFrame, rule: VerdictRule) -> Iterator[Row]:
    """A row a video: sample_id, group, label, fake_probability and verdict, from its clean faces.

    A video is forged where one of its faces is.

    Args:
        predictions: rows of ``tables.schemas.PREDICTIONS``.
        traits: rows of ``tables.schemas.FACE_TRAITS``; faces without a track are of images, and left out.
        rule: how log-odds become verdicts.
    """
    clean = predictions[predictions.condition == "clean"]
    frames = clean.merge(traits[["face_id", "sample_id", "track", "size"]], on="face_id").dropna(subset=["track"])
    for sample_id, faces in frames.groupby("sample_id", sort=True):
        columns = (faces[name].tolist() for name in ("track", "logit", "sharpness", "size"))
        judged = [
            (int(track), rule.say(np.array([logit]), sharpness, None if pd.isna(size) else size))
            for track, logit, sharpness, size in zip(*columns, strict=True)
        ]
        said = file_row({}, judged, rule.threshold)
        yield {
            "sample_id": sample_id,
            "group": faces.group.iloc[0],
            "label": int(faces.label.max()),
            "fake_probability": said["fake_probability"],
            "verdict": said["verdict"],
        }
