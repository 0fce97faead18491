"""Boxes that come with the dataset, with the five points looked for inside them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from deepfake_pipeline.faces.boxes import corners, overlap
from deepfake_pipeline.faces.detections import Detections, FaceDetector, Floats, Image
from deepfake_pipeline.faces.params import GivenParams
from deepfake_pipeline.tables.errors import UserError


class GivenDetector:
    """Gives back the boxes that it is handed, each with the points of the found face that overlaps it most.

    Args:
        params: how far boxes must agree.
        finder: who looks for the points; None leaves them out.
    """

    def __init__(self, params: GivenParams | None = None, finder: FaceDetector | None = None) -> None:
        self.params = params or GivenParams()
        self.finder = finder

    def detect(self, images: Sequence[Image], boxes: Sequence[npt.ArrayLike] | None = None) -> list[Detections]:
        """The faces of each image, RGB uint8 ``(H, W, 3)``, by their given boxes, with a score of 1.

        Args:
            images: where the boxes are.
            boxes: for each image ``(n, 4)``: x, y, w, h in px.

        Raises:
            UserError: no boxes are handed in: the layout has none.
        """
        if boxes is None:
            raise UserError("detector.name is given, but the dataset comes without boxes; choose mtcnn")
        found = [Detections.none()] * len(images) if self.finder is None else self.finder.detect(images)
        rows = [np.asarray(one, np.float32).reshape(-1, 4) for one in boxes]
        return [self._joined(own, faces) for own, faces in zip(rows, found, strict=True)]

    def _joined(self, boxes: Floats, found: Detections) -> Detections:
        points = np.full((len(boxes), 5, 2), np.nan, np.float32)
        shared = overlap(corners(boxes), corners(found.boxes))
        for own, other in zip(*linear_sum_assignment(-shared), strict=True):
            if shared[own, other] >= self.params.min_overlap:
                points[own] = found.landmarks[other]
        return Detections.ordered(boxes, np.ones(len(boxes), np.float32), points)
