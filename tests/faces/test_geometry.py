"""Cutting: each kind of crop, and that a geometry survives being written down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from deepfake_pipeline.faces import Detection, Detections, FaceParams, MtcnnParams
from deepfake_pipeline.faces.align import canonical_points, transformed
from deepfake_pipeline.faces.geometry import (
    CropGeometry,
    crop_geometry,
    cut,
    is_face_crop,
    measure_geometry,
    placement,
)
from deepfake_pipeline.media.images import resize
from deepfake_pipeline.media.render.faces import RenderedFace
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.tables import ParquetTable, RecordStream
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.schemas import FACES, MANIFEST
from deepfake_pipeline.tables.stream import write_shards


def _geometry(**changes: Any) -> CropGeometry:
    return CropGeometry(**{"kind": "aligned", "height": 64, "width": 64, "faces": FaceParams()} | changes)


def _detection(face: RenderedFace) -> Detection:
    return Detection(face.box, 0.99, face.landmarks)


def _detections(*boxes: tuple[float, float, float, float]) -> Detections:
    count = len(boxes)
    return Detections.ordered(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.linspace(0.9, 1, count, dtype=np.float32),
        np.full((count, 5, 2), np.nan, np.float32),
    )


def test_aligned_crops_have_the_points_in_their_places(rendered: list[RenderedFace]) -> None:
    geometry = _geometry(faces=FaceParams(margin=0.1))
    for face in rendered[:5]:
        points = transformed(face.landmarks, placement(_detection(face), geometry))
        assert np.linalg.norm(points - canonical_points(64, 64, 0.1), axis=1).mean() < 4  # px, of 64


def test_without_points_an_aligned_crop_is_framed(rendered: list[RenderedFace]) -> None:
    face = rendered[0]
    bare = Detection(face.box, 0.9, None)
    framed = cut(face.image, bare, _geometry(kind="box"))
    np.testing.assert_array_equal(cut(face.image, bare, _geometry()), framed)


def test_a_box_crop_is_the_square_with_its_margin() -> None:
    image = np.random.default_rng(0).integers(0, 256, (120, 120, 3), np.uint8)
    detection = Detection(np.array([45, 40, 30, 40], np.float32), 0.9, None)
    crop = cut(image, detection, _geometry(kind="box", height=60, width=60, faces=FaceParams(margin=0.25)))
    np.testing.assert_array_equal(crop, image[30:90, 30:90])


def test_a_given_crop_has_its_face_where_the_dataset_has_it() -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    geometry = _geometry(kind="given", face_box=(0.25, 0.125, 0.5, 0.75), height=80, width=80)
    detection = Detection(np.array([60, 50, 40, 60], np.float32), 0.9, None)
    np.testing.assert_array_equal(cut(image, detection, geometry), image[40:120, 40:120])


def test_a_given_crop_keeps_the_aspect_of_the_dataset() -> None:
    geometry = _geometry(kind="given", face_box=(0.25, 0.25, 0.5, 0.5), aspect=0.5, height=80, width=40)
    detection = Detection(np.array([0, 0, 30, 30], np.float32), 0.9, None)
    matrix = placement(detection, geometry)
    np.testing.assert_allclose(matrix[0, 0], matrix[1, 1])  # stretched alike both ways
    np.testing.assert_allclose(transformed([[14.5, 14.5]], matrix), [[19.5, 39.5]])


@pytest.mark.parametrize("kind", ["aligned", "box", "given", "whole"])
def test_without_a_face_the_whole_image_is_the_crop(kind: str, rendered: list[RenderedFace]) -> None:
    image = rendered[0].image
    np.testing.assert_array_equal(cut(image, None, _geometry(kind=kind)), resize(image, 64, 64))


@pytest.mark.parametrize("size", [(48, 80), (160, 96), (224, 224)])
@pytest.mark.parametrize("kind", ["aligned", "box", "given", "whole"])
def test_crops_have_the_size_of_the_study(kind: str, size: tuple[int, int], rendered: list[RenderedFace]) -> None:
    geometry = _geometry(kind=kind, height=size[0], width=size[1], face_box=(0.1, 0.1, 0.8, 0.8))
    crop = cut(rendered[0].image, _detection(rendered[0]), geometry)
    assert crop.shape == (*size, 3)
    assert crop.dtype == np.uint8


@pytest.mark.parametrize(
    ("study", "params", "kind"),
    [
        (DatasetStudy(), FaceParams(), "aligned"),
        (DatasetStudy(), FaceParams(align=False), "box"),
        (DatasetStudy(), FaceParams(given_crops=True), "given"),
        (DatasetStudy(crop="tiles"), FaceParams(), "whole"),
        (DatasetStudy(crop="none"), FaceParams(given_crops=True), "whole"),
    ],
)
def test_the_kind_follows_from_the_parameters(study: DatasetStudy, params: FaceParams, kind: str) -> None:
    geometry = crop_geometry(study, params)
    assert geometry.kind == kind
    assert (geometry.height, geometry.width) == (study.height, study.width)


def test_a_geometry_survives_json() -> None:
    params = FaceParams(margin=0.3, detector=MtcnnParams(min_face=50, thresholds=(0.5, 0.6, 0.65)))
    geometry = _geometry(kind="given", faces=params, face_box=(0.1, -0.05, 0.8, 1.1), aspect=0.75)
    assert CropGeometry.from_json(geometry.to_json()) == geometry


def test_a_wrong_geometry_is_one_line() -> None:
    with pytest.raises(UserError, match="crop geometry: kind"):
        CropGeometry.from_json(_geometry().to_json().replace("aligned", "squinting"))
    with pytest.raises(ValidationError):
        CropGeometry.model_validate(_geometry().model_dump() | {"unknown": 1})


def _table(path: Path, schema: Any, rows: list[dict[str, Any]]) -> ParquetTable:
    path.mkdir()
    write_shards(RecordStream.of_rows(schema, rows), path)
    return ParquetTable(path)


def test_given_crops_tell_where_their_faces_lie(tmp_path: Path) -> None:
    origin = {"group": "g", "source": "s"}
    measured = {"frame": 0, "face": 0, "sharpness": 1, "brightness": 1, "light_uniformity": 1, "crop": b""}
    boxes = [(20, 10, 100, 120), (30, 10, 110, 120), (40, 20, 120, 140), None, (0, 0, 1, 1)]
    faces, manifest = [], []
    for number, box in enumerate(boxes):
        scale = number + 1  # the crops have different sizes, the shares are what counts
        split = "test" if number == 4 else "train"
        row = origin | measured | {"face_id": f"f{number}", "sample_id": f"s{number}", "split": split}
        faces.append(row | (dict(zip("xywh", [scale * side for side in box], strict=True)) if box else {}))
        whole = {"path": "p", "sha256": "0", "bytes": 1, "phash": 0, "width": 200 * scale, "height": 160 * scale}
        whole |= {"kind": "image", "memberships": ["g"]}
        manifest.append(origin | whole | {"sample_id": f"s{number}", "split": split})
    study, params = DatasetStudy(), FaceParams(given_crops=True)
    table = _table(tmp_path / "faces", FACES, faces)
    geometry = measure_geometry(table, study, params, _table(tmp_path / "manifest", MANIFEST, manifest))
    assert geometry.face_box == pytest.approx((30 / 200, 10 / 160, 110 / 200, 120 / 160))
    assert geometry.aspect == pytest.approx(1.25)
    with pytest.raises(ValueError, match="needs the manifest"):
        measure_geometry(table, study, params)
    assert measure_geometry(table, study, FaceParams()).face_box is None


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([], False),
        ([(20, -20, 160, 230)], True),  # a tight crop: the box reaches beyond it
        ([(45, 40, 110, 150)], False),  # a portrait
        ([(20, 10, 160, 180), (0, 0, 30, 40)], True),  # somebody far behind
        ([(0, 20, 110, 180), (100, 20, 100, 180)], False),  # two people
    ],
)
def test_a_face_crop_is_told_from_a_photograph(boxes: list[tuple[float, float, float, float]], expected: bool) -> None:
    assert is_face_crop(np.zeros((200, 200, 3), np.uint8), _detections(*boxes)) is expected


def test_rendered_pictures_are_photographs_and_their_tight_crops_are_not(
    detector: Any, rendered: list[RenderedFace]
) -> None:
    face = rendered[0]
    tight = cut(face.image, _detection(face), _geometry(kind="given", face_box=(0, 0, 1, 1), height=128, width=96))
    photo, crop = detector.detect([face.image, tight])
    assert not is_face_crop(face.image, photo)
    assert is_face_crop(tight, crop)
