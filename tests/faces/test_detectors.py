"""The detectors beside MTCNN: what they give, and what they say when they cannot."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pydantic import ValidationError

from deepfake_pipeline.faces import (
    DETECTORS,
    DlibParams,
    FaceParams,
    GivenParams,
    MtcnnParams,
    YunetParams,
    build_detector,
)
from deepfake_pipeline.faces.boxes import corners, overlap
from deepfake_pipeline.faces.detect import MtcnnDetector
from deepfake_pipeline.faces.given import GivenDetector
from deepfake_pipeline.media.render import RenderedFace
from deepfake_pipeline.tables.errors import UserError


@pytest.fixture(scope="module")
def model(real_data: Path) -> Path:
    return real_data / "models" / "yunet_n_dynamic.onnx"


def test_parameters_choose_their_detector_by_name() -> None:
    def chosen(detector: dict[str, object]) -> object:
        return FaceParams.model_validate({"detector": detector}).detector

    assert chosen({"min_face": 50}) == MtcnnParams(min_face=50)
    assert chosen({"name": "yunet", "model": "a.onnx"}) == YunetParams(model="a.onnx")
    assert chosen({"name": "dlib"}) == DlibParams()
    assert chosen({"name": "given"}) == GivenParams()
    assert FaceParams().detector == MtcnnParams()
    assert set(DETECTORS) == {"mtcnn", "yunet", "dlib", "given"}
    for params in (YunetParams(model="a.onnx"), DlibParams(), GivenParams()):
        faces = FaceParams(detector=params)
        assert FaceParams.model_validate_json(faces.model_dump_json()) == faces
        assert all(field.description for field in type(params).model_fields.values())


@pytest.mark.parametrize("wrong", [{"name": "yunet"}, {"name": "dlib", "min_face": 9}, {"name": "none"}])
def test_parameters_of_another_detector_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FaceParams.model_validate({"detector": wrong})


def test_a_model_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with pytest.raises(UserError, match=r"model\.onnx.*detector\.model"):
        build_detector(YunetParams(model=str(path)))
    path.write_bytes(b"no model")
    with pytest.raises(UserError, match="not an ONNX file of YuNet"):
        build_detector(YunetParams(model=str(path)))
    with pytest.raises(UserError, match="SHA-256"):
        build_detector(YunetParams(model=str(path), sha256="0" * 64))


@pytest.mark.real
@pytest.mark.parametrize("name", ["yunet_n_dynamic.onnx", "yunet_n_640_640.onnx"])
def test_yunet_finds_rendered_faces_and_orders_their_points(
    name: str, model: Path, rendered: list[RenderedFace]
) -> None:
    detector = build_detector(YunetParams(model=str(model.with_name(name))))
    wide = np.hstack([face.image for face in rendered[:3]])
    *found, three = detector.detect([*(face.image for face in rendered[:15]), wide])
    assert [len(one) for one in found] == [1] * 15 and len(three) == 3
    errors, shares = [], []
    for one, face in zip(found, rendered, strict=False):
        eyes = np.linalg.norm(face.landmarks[1] - face.landmarks[0])
        errors.append(np.linalg.norm(one.landmarks[0] - face.landmarks, axis=1).mean() / eyes)
        shares.append(overlap(corners(one.boxes), corners(face.box[None]))[0, 0])
    assert np.mean(errors) < 0.12
    assert np.mean(shares) > 0.75


@pytest.mark.real
def test_yunet_gives_places_in_the_image_that_it_was_shown(model: Path, rendered: list[RenderedFace]) -> None:
    whole = build_detector(YunetParams(model=str(model))).detect([rendered[0].image])[0]
    reduced = build_detector(YunetParams(model=str(model), max_side=100)).detect([rendered[0].image])[0]
    assert overlap(corners(whole.boxes), corners(reduced.boxes))[0, 0] > 0.85
    np.testing.assert_allclose(whole.landmarks, reduced.landmarks, atol=5)


@pytest.mark.real
@pytest.mark.parametrize("shape", [(5, 9), (20, 200), (64, 32)])
def test_yunet_sees_small_pictures_with_a_border(shape: tuple[int, int], model: Path) -> None:
    """OpenCV's network answers with what lies in memory where a padded side is 32 px; a border keeps it from that."""
    picture = np.zeros((*shape, 3), np.uint8)
    bordered = np.zeros((*np.maximum(shape, 64), 3), np.uint8)
    assert len(build_detector(YunetParams(model=str(model))).detect([picture])[0]) == 0
    eager = YunetParams(model=str(model), threshold=0.0001)
    expected = build_detector(eager).detect([bordered])[0]
    assert len(expected) > 0
    for _ in range(5):
        found = build_detector(eager).detect([picture])[0]
        np.testing.assert_array_equal(found.boxes, expected.boxes)
        np.testing.assert_array_equal(found.scores, expected.scores)


def test_dlib_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(UserError, match=r"pip install 'deepfake-pipeline\[dlib\]'"):
        build_detector(DlibParams())


def test_dlib_rectangles_become_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a stand-in for the library: its rectangles include their last pixel, its scores are margins."""

    def rectangle(left: int, top: int, right: int, bottom: int) -> SimpleNamespace:
        return SimpleNamespace(left=lambda: left, top=lambda: top, right=lambda: right, bottom=lambda: bottom)

    def run(image: np.ndarray, upsample: int, margin: float) -> tuple[list[SimpleNamespace], list[float], list[int]]:
        assert (upsample, margin) == (2, -0.5)
        return [rectangle(0, 0, 9, 19), rectangle(5, 6, 104, 105)], [0.0, 2.0], [0, 1]

    library = SimpleNamespace(get_frontal_face_detector=lambda: SimpleNamespace(run=run))
    monkeypatch.setitem(sys.modules, "dlib", library)
    found = build_detector(DlibParams(upsample=2, margin=-0.5)).detect([np.zeros((120, 120, 3), np.uint8)])[0]
    np.testing.assert_array_equal(found.boxes, [[5, 6, 100, 100], [0, 0, 10, 20]])
    assert found.scores == pytest.approx([1, 0.5], abs=1e-3)
    assert found[0].landmarks is None


@pytest.mark.skipif(importlib.util.find_spec("dlib") is None, reason="dlib is an optional extra")
def test_dlib_finds_rendered_faces(rendered: list[RenderedFace]) -> None:
    found = build_detector(DlibParams()).detect([face.image for face in rendered[:10]])
    assert np.mean([len(one) == 1 for one in found]) >= 0.7


def test_given_boxes_get_the_points_of_the_face_inside(detector: MtcnnDetector, rendered: list[RenderedFace]) -> None:
    wide = np.hstack([rendered[0].image, rendered[1].image])
    boxes = np.stack([rendered[0].box, rendered[1].box + np.float32([160, 0, 0, 0]), np.float32([2, 2, 9, 9])])
    found, nothing = GivenDetector(GivenParams(), detector).detect_given([wide, wide], [rows(boxes), []])
    assert len(nothing) == 0
    order = np.lexsort((boxes[:, 1], boxes[:, 0]))
    np.testing.assert_array_equal(found.boxes, boxes[order])
    assert (found.scores == 1).all()
    points = {tuple(face.box): face.landmarks for face in found}
    assert points[tuple(boxes[2])] is None
    np.testing.assert_allclose(points[tuple(boxes[1])], rendered[1].landmarks + np.float32([160, 0]), atol=8)


def test_given_boxes_without_points_and_pictures_without_boxes(rendered: list[RenderedFace]) -> None:
    detector = build_detector(GivenParams(points=False))
    assert isinstance(detector, GivenDetector)
    found = detector.detect_given([rendered[0].image], [rows(rendered[0].box[None])])[0]
    assert found[0].landmarks is None
    searched = detector.detect([rendered[0].image])[0]
    assert searched[0].landmarks is not None


def rows(boxes: np.ndarray) -> list[dict[str, float | None]]:
    """Boxes as the manifest holds them."""
    return [{**dict(zip("xywh", map(float, box), strict=True)), "label": None} for box in boxes]
