"""Faces that come with the dataset: their boxes instead of a detector's, and their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from deepfake_pipeline.faces.boxes import corners, overlap
from deepfake_pipeline.faces.detections import Detections, FaceDetector, Floats, Image
from deepfake_pipeline.faces.params import GivenParams

LEAST_OVERLAP = 0.5  # intersection over union at which a found face is the annotated one

GivenRows = Sequence[Mapping[str, Any]]  # column given_faces of ``MANIFEST``, of one file


class GivenDetector:
    """Boxes that are handed in, each with the points of the found face that overlaps it most.

    Args:
        params: how far boxes must agree, and whether points are looked for.
        finder: who looks for the points, and for faces where no boxes are given.
    """

    def __init__(self, params: GivenParams, finder: FaceDetector) -> None:
        self.params, self.finder = params, finder

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """The faces of images that come without boxes."""
        return self.finder.detect(images)

    def detect_given(self, images: Sequence[Image], given: Sequence[GivenRows]) -> list[Detections]:
        """The annotated faces of each image, RGB uint8 ``(H, W, 3)``, with a score of 1."""
        found = self.finder.detect(images) if self.params.points else [Detections.none()] * len(images)
        return [self._joined(_boxes(rows), faces) for rows, faces in zip(given, found, strict=True)]

    def _joined(self, boxes: Floats, found: Detections) -> Detections:
        points = np.full((len(boxes), 5, 2), np.nan, np.float32)
        shared = overlap(corners(boxes), corners(found.boxes))
        for own, other in zip(*linear_sum_assignment(-shared), strict=True):
            if shared[own, other] >= self.params.min_overlap:
                points[own] = found.landmarks[other]
        return Detections.ordered(boxes, np.ones(len(boxes), np.float32), points)


def _boxes(given: GivenRows) -> Floats:
    return np.array([[face[side] for side in "xywh"] for face in given], np.float32).reshape(-1, 4)


def label_of(box: npt.ArrayLike, given: GivenRows) -> int | None:
    """Label of a face by the annotated face that it overlaps most.

    None where none is overlapped by half (intersection over union), where the annotation gives no label, and where
    two of different labels are overlapped equally.

    Args:
        box: x, y, w, h in px.
        given: the annotated faces of the image.
    """
    boxes = _boxes(given).astype(np.float64)
    own = np.asarray(box, np.float64).reshape(1, 4)
    shares = overlap(corners(own), corners(boxes))[0]
    best = shares.max(initial=0.0)
    labels = {face["label"] for face, share in zip(given, shares, strict=True) if share == best}
    return labels.pop() if best >= LEAST_OVERLAP and len(labels) == 1 else None
