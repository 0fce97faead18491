"""The YuNet detector, from any ONNX file of that model, run by OpenCV on the CPU."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from deepfake_pipeline.faces.detections import Detections, Image
from deepfake_pipeline.faces.params import YunetParams
from deepfake_pipeline.media.images import resize
from deepfake_pipeline.tables.errors import UserError

_LOADED = 640  # px: OpenCV wants a size when it loads the model, and takes others afterwards
_LEAST = 64  # px: of images that OpenCV pads to one step of 32 px, its network reads memory beside its maps
_PLACES = 5000  # candidates that go into non-maximum suppression, at most
_HALF = np.float32(0.5)  # from pixel edges, which the model counts by, to pixel centres


class YunetDetector:
    """Faces and their five points by YuNet (Wu, Peng and Yu 2023, Machine Intelligence Research 20).

    It sees an image once, at one scale. One image after another, on the CPU.

    Args:
        params: the model file, sizes and thresholds.

    Attributes:
        sha256: of the model file, 64 hex digits.

    Raises:
        UserError: the file is absent, is not the one that is asked for, or is no such model.
    """

    def __init__(self, params: YunetParams) -> None:
        self.params = params
        data = _read(Path(params.model))
        self.sha256 = hashlib.sha256(data).hexdigest()
        if params.sha256 not in ("", self.sha256):
            raise UserError(f"{params.model}: its SHA-256 is {self.sha256}, detector.sha256 asks for {params.sha256}")
        self._network = _load(data, params)

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Faces of each image, RGB uint8 ``(H, W, 3)``."""
        return [self._detect(image) for image in images]

    def _detect(self, image: Image) -> Detections:
        height, width = image.shape[:2]
        scale = min(self.params.max_side / max(height, width), 1.0)
        h, w = max(round(height * scale), 1), max(round(width * scale), 1)
        shown = cv2.cvtColor(resize(image, h, w), cv2.COLOR_RGB2BGR)
        below, beside = max(_LEAST - h, 0), max(_LEAST - w, 0)
        if below or beside:
            shown = cv2.copyMakeBorder(shown, 0, below, 0, beside, cv2.BORDER_CONSTANT)
        self._network.setInputSize((w + beside, h + below))
        _, found = self._network.detect(shown)
        if found is None:
            return Detections.none()
        rows = np.asarray(found, np.float32) * np.array([width / w, height / h] * 7 + [1], np.float32)
        return Detections.ordered(rows[:, :4], np.clip(rows[:, 14], 0, 1), rows[:, 4:14].reshape(-1, 5, 2) - _HALF)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: the YuNet model cannot be read ({error.strerror}); set detector.model to its ONNX file"
        ) from None


def _load(data: bytes, params: YunetParams) -> Any:
    try:
        model = np.frombuffer(_with_fixed_input(data), np.uint8)
        return cv2.FaceDetectorYN.create(
            "onnx",
            model,
            np.zeros(0, np.uint8),
            (_LOADED, _LOADED),
            params.threshold,
            params.overlap,
            _PLACES,
        )
    except Exception as error:  # protobuf and OpenCV each have their own
        raise UserError(f"{params.model}: not an ONNX file of YuNet ({_first_line(error)})") from None


def _with_fixed_input(data: bytes) -> bytes:
    """The model with a size written into its input: OpenCV loads none whose size is left open."""
    import onnx

    model = onnx.load_from_string(data)
    for dimension, size in zip(model.graph.input[0].type.tensor_type.shape.dim, (1, 3, _LOADED, _LOADED), strict=True):
        dimension.dim_value = size
    return bytes(model.SerializeToString())


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__
