"""What a face detector is and what it returns. Knows no detector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]  # RGB, (H, W, 3)
Floats = npt.NDArray[np.float32]

LANDMARKS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")


class Detection(NamedTuple):
    """One face.

    Attributes:
        box: float32 ``(4,)``: x, y, w, h in source pixels.
        score: confidence in [0, 1].
        landmarks: float32 ``(5, 2)``: x, y of the five points in source pixels, or None.
    """

    box: Floats
    score: float
    landmarks: Floats | None


@dataclass(frozen=True)
class Detections:
    """The faces of one image, best score first; ties from left to right, then from top to bottom.

    Coordinates are source pixels. A box spans pixel *edges*: the whole of a 100×80 image is (0, 0, 100, 80);
    it may reach beyond the image where a face does. A landmark is given in pixel *centres*, as OpenCV and
    annotation files do: the first pixel is (0, 0). Left and right are as seen in the image.

    Attributes:
        boxes: float32 ``(n, 4)``: x, y, w, h.
        scores: float32 ``(n,)`` in [0, 1].
        landmarks: float32 ``(n, 5, 2)``: left eye, right eye, nose, left mouth corner, right mouth corner;
            NaN from a detector that gives none.
    """

    boxes: Floats
    scores: Floats
    landmarks: Floats

    @classmethod
    def ordered(cls, boxes: Floats, scores: Floats, landmarks: Floats) -> Detections:
        """The same faces in the one order that depends on them alone."""
        order = np.lexsort((boxes[:, 1], boxes[:, 0], -scores))
        return cls(boxes[order], scores[order], landmarks[order])

    @classmethod
    def none(cls) -> Detections:
        """No face."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.full((0, 5, 2), np.nan, np.float32))

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: int) -> Detection:
        points = self.landmarks[index]
        return Detection(self.boxes[index], float(self.scores[index]), None if np.isnan(points).any() else points)

    def __iter__(self) -> Iterator[Detection]:
        return (self[index] for index in range(len(self)))

    def first(self, count: int) -> Detections:
        """The best ``count`` of them at most."""
        return Detections(self.boxes[:count], self.scores[:count], self.landmarks[:count])

    def where(self, keep: npt.NDArray[np.bool_]) -> Detections:
        """Those that a mask ``(n,)`` keeps."""
        return Detections(self.boxes[keep], self.scores[keep], self.landmarks[keep])


class FaceDetector(Protocol):
    """Finds faces. What it finds in one image does not depend on the other images of the call."""

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Faces of each image, RGB uint8 ``(H, W, 3)``, in the order of the images."""
        ...
