"""Faces that come with the dataset: their boxes instead of a detector's, and their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from deepfake_pipeline.faces.boxes import corners, overlap
from deepfake_pipeline.faces.detections import Detections

LEAST_OVERLAP = 0.5  # intersection over union at which a found face is the annotated one

GivenRows = Sequence[Mapping[str, Any]]  # column given_faces of ``MANIFEST``, of one file


def given_detections(given: GivenRows) -> Detections:
    """The annotated boxes as detections: sure ones, without landmarks."""
    boxes = np.array([[face[side] for side in "xywh"] for face in given], np.float32).reshape(-1, 4)
    return Detections.ordered(boxes, np.ones(len(boxes), np.float32), np.full((len(boxes), 5, 2), np.nan, np.float32))


def label_of(box: npt.ArrayLike, given: GivenRows) -> int | None:
    """Label of a face by the annotated face that it overlaps most.

    None where none is overlapped by half (intersection over union), where the annotation gives no label, and where
    two of different labels are overlapped equally.

    Args:
        box: x, y, w, h in px.
        given: the annotated faces of the image.
    """
    boxes = np.array([[face[side] for side in "xywh"] for face in given], np.float64).reshape(-1, 4)
    own = np.asarray(box, np.float64).reshape(1, 4)
    shares = overlap(corners(own), corners(boxes))[0]
    best = shares.max(initial=0.0)
    labels = {face["label"] for face, share in zip(given, shares, strict=True) if share == best}
    return labels.pop() if best >= LEAST_OVERLAP and len(labels) == 1 else None
