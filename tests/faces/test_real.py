"""On real photographs with true boxes and points, kept outside the repository."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from deepfake_pipeline.faces import YunetParams, build_detector
from deepfake_pipeline.faces.boxes import corners, overlap
from deepfake_pipeline.faces.detect import MtcnnDetector
from deepfake_pipeline.media.images import ImageLimits, decode_image

pytestmark = pytest.mark.real

_EYES = slice(36, 42), slice(42, 48)  # of the 68 points
_NOSE_AND_MOUTH = 30, 48, 54


@pytest.fixture
def folder() -> Path:
    root = os.environ.get("DEEPFAKE_REAL_DATA")
    if not root or not (Path(root) / "dlib-faces").is_dir():
        pytest.skip("DEEPFAKE_REAL_DATA names no folder with dlib-faces")
    return Path(root) / "dlib-faces"


def _truth(folder: Path, suffix: str) -> dict[str, list[ElementTree.Element]]:
    images = [image for name in ("testing", "training") for image in _images(folder / f"{name}{suffix}.xml")]
    return {str(image.get("file")): list(image.iter("box")) for image in images}


def _images(path: Path) -> list[ElementTree.Element]:
    return list(ElementTree.parse(path).iter("image"))


def _box(box: ElementTree.Element) -> list[float]:
    return [float(box.get(key, "nan")) for key in ("left", "top", "width", "height")]


def _five(box: ElementTree.Element) -> np.ndarray:
    points = np.array([[float(part.get(key, "nan")) for key in "xy"] for part in box.iter("part")])
    return np.stack([*(points[eye].mean(axis=0) for eye in _EYES), *points[list(_NOSE_AND_MOUTH)]])


def test_recall_precision_and_landmarks(folder: Path, detector: MtcnnDetector) -> None:
    boxes, marks = _truth(folder, ""), _truth(folder, "_with_face_landmarks")
    images = [decode_image((folder / name).read_bytes(), ImageLimits()) for name in boxes]
    large, hits, alarms, errors = 0, 0, 0, []
    for name, found in zip(boxes, detector.detect(images), strict=True):
        truth = np.array([_box(box) for box in boxes[name]])
        match = overlap(corners(truth), corners(found.boxes)) >= 0.5
        over_40 = truth[:, 2:].min(axis=1) > 40
        large, hits = large + over_40.sum(), hits + match[over_40].any(axis=1).sum()
        alarms += (~match.any(axis=0)).sum()
        for points in map(_five, marks.get(name, [])):
            errors.append(
                np.linalg.norm(found.landmarks - points, axis=2).mean(axis=1).min()
                / np.linalg.norm(points[1] - points[0])
            )
    assert hits / large >= 0.95
    assert alarms == 0
    assert np.median(errors) < 0.06


def test_no_face_is_found_where_there_is_none(folder: Path, detector: MtcnnDetector) -> None:
    dogs = decode_image((folder / "dogs.jpg").read_bytes(), ImageLimits())
    assert len(detector.detect([dogs])[0]) == 0


def test_yunet_finds_the_faces_too(folder: Path) -> None:
    yunet = build_detector(YunetParams(model=str(folder.parent / "models" / "yunet_n_dynamic.onnx")))
    boxes = {name: np.array([_box(box) for box in found]) for name, found in _truth(folder, "").items()}
    images = [decode_image((folder / name).read_bytes(), ImageLimits()) for name in boxes]
    large, hits = 0, 0
    for truth, found in zip(boxes.values(), yunet.detect(images), strict=True):
        over_40 = corners(truth[truth[:, 2:].min(axis=1) > 40])
        large, hits = large + len(over_40), hits + (overlap(over_40, corners(found.boxes)) >= 0.5).any(axis=1).sum()
    assert hits / large >= 0.95
