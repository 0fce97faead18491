"""Predictions of faces as predictions of videos: what ``kedro score`` would say of the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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
        rows = faces[["track", "fake_probability", "verdict"]].to_dict("records")
        logits = rule.calibrator.logit(faces.logit.to_numpy()).tolist()
        sizes = (None if pd.isna(size) else float(size) for size in faces["size"])
        least = [
            0.0 if rule.unsure is None else rule.unsure.least(sharpness, size)
            for sharpness, size in zip(faces.sharpness, sizes, strict=True)
        ]
        said = file_row({}, list(zip(rows, logits, strict=True)), rule.threshold, least)
        yield {
            "sample_id": sample_id,
            "group": faces.group.iloc[0],
            "label": int(faces.label.max()),
            "fake_probability": said["fake_probability"],
            "verdict": said["verdict"],
        }
