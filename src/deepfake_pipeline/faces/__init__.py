"""Faces: detect, landmark, align, crop, measure."""

from __future__ import annotations

from collections.abc import Callable

from deepfake_pipeline.faces.detections import Detection, Detections, FaceDetector
from deepfake_pipeline.faces.params import FaceDetectorParams, FaceParams, MtcnnParams

__all__ = [
    "DETECTORS",
    "Detection",
    "Detections",
    "FaceDetector",
    "FaceDetectorParams",
    "FaceParams",
    "MtcnnParams",
    "build_detector",
]


def _mtcnn(params: MtcnnParams, accelerator: str) -> FaceDetector:
    from deepfake_pipeline.faces.detect import MtcnnDetector  # loads torch

    return MtcnnDetector(params, accelerator)


DETECTORS: dict[str, Callable[[FaceDetectorParams, str], FaceDetector]] = {"mtcnn": _mtcnn}


def build_detector(params: FaceDetectorParams | None = None, accelerator: str = "cpu") -> FaceDetector:
    """The detector that parameters name.

    Args:
        params: by default those of MTCNN.
        accelerator: ``cpu``, ``cuda`` or ``auto`` (CUDA where there is one).

    Raises:
        UserError: what it needs is not installed.
    """
    params = params or MtcnnParams()
    return DETECTORS[params.name](params, accelerator)
