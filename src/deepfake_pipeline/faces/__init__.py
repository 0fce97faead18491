"""Faces: detect, landmark, align, crop, measure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deepfake_pipeline.faces.detections import Detection, Detections, FaceDetector
from deepfake_pipeline.faces.params import FaceDetectorParams, FaceParams, GivenParams, MtcnnParams

__all__ = [
    "DETECTORS",
    "Detection",
    "Detections",
    "FaceDetector",
    "FaceDetectorParams",
    "FaceParams",
    "GivenParams",
    "MtcnnParams",
    "build_detector",
]


def _mtcnn(params: MtcnnParams, accelerator: str) -> FaceDetector:
    from deepfake_pipeline.faces.detect import MtcnnDetector  # loads torch

    return MtcnnDetector(params, accelerator)


def _given(params: GivenParams, accelerator: str) -> FaceDetector:
    return _mtcnn(params.elsewhere, accelerator)  # given boxes stand in the manifest, and nothing is to be built


DETECTORS: dict[str, Callable[[Any, str], FaceDetector]] = {"mtcnn": _mtcnn, "given": _given}


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
