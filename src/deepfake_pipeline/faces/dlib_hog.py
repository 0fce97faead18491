"""dlib's frontal face detector, which paper 002 uses; an optional extra of the installation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deepfake_pipeline.faces.detections import Detections, Image
from deepfake_pipeline.faces.params import DlibParams
from deepfake_pipeline.tables.errors import UserError

_STEEPNESS = 4.0  # a margin of 0.35 counts as 0.8; margins of clear faces are 1 to 3


class DlibDetector:
    """Boxes of upright frontal faces; no points. One image after another, on the CPU.

    A score is a logistic curve of the distance from the decision boundary. It orders faces and is no probability.

    Args:
        params: sizes and threshold.

    Raises:
        UserError: dlib is not installed.
    """

    def __init__(self, params: DlibParams | None = None) -> None:
        self.params = params or DlibParams()
        try:
            import dlib
        except ImportError:
            raise UserError(
                "detector.name is dlib, which is not installed; install it: pip install 'deepfake-pipeline[dlib]', "
                "or choose mtcnn"
            ) from None
        self._detector: Any = dlib.get_frontal_face_detector()

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Faces of each image, RGB uint8 ``(H, W, 3)``."""
        return [self._detect(image) for image in images]

    def _detect(self, image: Image) -> Detections:
        rectangles, margins, _ = self._detector.run(
            np.ascontiguousarray(image), self.params.upsample, self.params.margin
        )
        boxes = [[r.left(), r.top(), r.right() - r.left() + 1, r.bottom() - r.top() + 1] for r in rectangles]
        scores = 1 / (1 + np.exp(-_STEEPNESS * np.array(margins, np.float64)))
        return Detections.ordered(
            np.array(boxes, np.float32).reshape(-1, 4),
            scores.astype(np.float32),
            np.full((len(boxes), 5, 2), np.nan, np.float32),
        )
