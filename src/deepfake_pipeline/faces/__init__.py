"""Faces: detect, landmark, align, crop, measure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deepfake_pipeline.faces.detections import Detection, Detections, FaceDetector
from deepfake_pipeline.faces.params import (
    DlibParams,
    FaceDetectorParams,
    FaceParams,
    GivenParams,
    MtcnnParams,
    YunetParams,
)

__all__ = [
    "DETECTORS",
    "Detection",
    "Detections",
    "DlibParams",
    "FaceDetector",
    "FaceDetectorParams",
    "FaceParams",
    "GivenParams",
    "MtcnnParams",
    "YunetParams",
    "build_detector",
]


def _mtcnn(params: MtcnnParams, accelerator: str) -> FaceDetector:
    from deepfake_pipeline.faces.detect import MtcnnDetector  # loads torch

    return MtcnnDetector(params, accelerator)


def _yunet(params: YunetParams, accelerator: str) -> FaceDetector:
    from deepfake_pipeline.faces.yunet import YunetDetector

    return YunetDetector(params)


def _dlib(params: DlibParams, accelerator: str) -> FaceDetector:
    from deepfake_pipeline.faces.dlib_hog import DlibDetector

    return DlibDetector(params)


def _given(params: GivenParams, accelerator: str) -> FaceDetector:
    from deepfake_pipeline.faces.given import GivenDetector

    return GivenDetector(params, _mtcnn(params.elsewhere, accelerator))


DETECTORS: dict[str, Callable[[Any, str], FaceDetector]] = {
    "mtcnn": _mtcnn,
    "yunet": _yunet,
    "dlib": _dlib,
    "given": _given,
}


def build_detector(params: FaceDetectorParams | None = None, accelerator: str = "cpu") -> FaceDetector:
    """The detector that parameters name.

    Args:
        params: by default those of MTCNN.
        accelerator: ``cpu``, ``cuda`` or ``auto`` (CUDA where there is one); yunet and dlib run on the CPU.

    Raises:
        UserError: what it needs is not installed, or its model file cannot be used.
    """
    params = params or MtcnnParams()
    return DETECTORS[params.name](params, accelerator)
