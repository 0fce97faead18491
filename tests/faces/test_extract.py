"""Extraction from files to tables: rows, refusals, order, and the same from any number of workers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepfake_pipeline.faces import Detections, FaceParams
from deepfake_pipeline.faces.detect import MtcnnDetector
from deepfake_pipeline.faces.extract import FaceExtractor, extract_faces
from deepfake_pipeline.faces.geometry import crop_geometry, cut
from deepfake_pipeline.faces.measure import brightness, sharpness
from deepfake_pipeline.media.images import ImageLimits, decode_image, encode_image, resize
from deepfake_pipeline.media.render.faces import RenderedFace
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.tables import ParquetTable, RecordStream
from deepfake_pipeline.tables.schemas import FACES, MANIFEST, REJECTED_FACES
from deepfake_pipeline.tables.stream import write_shards

_STUDY = DatasetStudy(height=64, width=64)


def _row(number: int, path: str) -> dict[str, Any]:
    return {
        "sample_id": f"{number:016x}",
        "path": path,
        "label": number % 2,
        "group": f"g{number // 2}",
        "split": "train",
        "method": "swap" if number % 2 else None,
        "source": "made-up",
    }


class _Scripted:
    """A detector that finds the same boxes in every image."""

    def __init__(self, *boxes: tuple[float, float, float, float], score: float = 0.95) -> None:
        self.boxes, self.score = np.array(boxes, np.float32).reshape(-1, 4), score

    def detect(self, images: Sequence[np.ndarray]) -> list[Detections]:
        scores = np.full(len(self.boxes), self.score, np.float32)
        points = self.boxes[:, None, :2] + self.boxes[:, None, 2:] * np.array(
            [[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32
        )
        return [Detections.ordered(self.boxes, scores, points) for _ in images]


class _Blind(_Scripted):
    """A detector that must not be asked."""

    def detect(self, images: Sequence[np.ndarray]) -> list[Detections]:
        raise AssertionError("nothing was to be detected")


def _picture(folder: Path, name: str = "a.png", size: tuple[int, int] = (120, 200)) -> np.ndarray:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    (folder / name).write_bytes(encode_image(image, "png"))
    return image


def _extracted(
    root: Path, rows: list[dict[str, Any]], study: DatasetStudy, params: FaceParams, detector: Any
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    result = FaceExtractor(root, study, params, ImageLimits(), detector)(rows)
    assert result.faces.schema == FACES
    assert result.rejected.schema == REJECTED_FACES
    return result.faces.to_pylist(), result.rejected.to_pylist()


def test_a_face_row_tells_all_about_a_face(
    tmp_path: Path, detector: MtcnnDetector, rendered: list[RenderedFace]
) -> None:
    face = rendered[0]
    (tmp_path / "a.png").write_bytes(encode_image(face.image, "png"))
    faces, rejected = _extracted(tmp_path, [_row(1, "a.png")], _STUDY, FaceParams(), detector)
    assert rejected == []
    (row,) = faces
    found = detector.detect([face.image])[0][0]
    crop = cut(face.image, found, crop_geometry(_STUDY, FaceParams()))
    np.testing.assert_array_equal(decode_image(row["crop"], ImageLimits()), crop)
    assert row["face_id"] == "0000000000000001-000000-00"
    assert [row[name] for name in ("label", "group", "split", "method", "source")] == [
        1, "g0", "train", "swap", "made-up",
    ]  # fmt: skip
    np.testing.assert_array_equal([row[name] for name in "xywh"], found.box)
    np.testing.assert_array_equal(np.reshape(row["landmarks"], (5, 2)), found.landmarks)
    assert row["score"] == pytest.approx(found.score)
    assert row["sharpness"] == pytest.approx(sharpness(crop))
    assert row["brightness"] == pytest.approx(brightness(crop))
    assert 0 <= row["light_uniformity"] <= 1
    assert abs(row["yaw"] - face.yaw) < 15


def test_faces_are_numbered_from_left_to_right_and_small_ones_refused(tmp_path: Path) -> None:
    _picture(tmp_path)
    detector = _Scripted((120, 10, 60, 80), (10, 20, 50, 70), (80, 10, 20, 39))
    faces, rejected = _extracted(tmp_path, [_row(0, "a.png")], _STUDY, FaceParams(min_size=40), detector)
    assert [(row["face"], row["x"]) for row in faces] == [(0, 10), (2, 120)]
    assert [(row["face"], row["reason"], row["frame"]) for row in rejected] == [(1, "too_small", 0)]
    assert "20×39" in rejected[0]["detail"]


def test_an_image_without_a_sure_face_is_refused(tmp_path: Path) -> None:
    _picture(tmp_path)
    params = FaceParams(min_score=0.9)
    for detector in (_Scripted(), _Scripted((10, 10, 80, 90), score=0.85)):
        faces, rejected = _extracted(tmp_path, [_row(0, "a.png")], _STUDY, params, detector)
        assert faces == []
        assert [(row["path"], row["reason"], row["face"]) for row in rejected] == [("a.png", "no_face", None)]


def test_no_more_faces_than_asked_for(tmp_path: Path) -> None:
    _picture(tmp_path)
    detector = _Scripted((120, 10, 60, 80), (10, 20, 50, 70))
    faces, rejected = _extracted(tmp_path, [_row(0, "a.png")], _STUDY, FaceParams(max_faces=1), detector)
    assert len(faces) == 1
    assert rejected == []


def test_files_that_cannot_be_read_are_refused_and_the_others_go_on(tmp_path: Path) -> None:
    _picture(tmp_path, "good.png")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:500])
    names = ["absent.png", "cut.png", "empty.png", "good.png"]
    rows = [_row(number, name) for number, name in enumerate(names)]
    faces, rejected = _extracted(tmp_path, rows, _STUDY, FaceParams(), _Scripted((10, 10, 80, 90)))
    assert [row["sample_id"] for row in faces] == [rows[3]["sample_id"]]
    assert [(row["path"], row["reason"]) for row in rejected] == [
        ("absent.png", "missing"),
        ("cut.png", "unreadable"),
        ("empty.png", "empty"),
    ]


@pytest.mark.parametrize("boxes", [[], [(5, 5, 30, 30), (20, 10, 90, 100)]])
def test_a_given_crop_is_taken_whole_face_or_not(tmp_path: Path, boxes: list[Any]) -> None:
    image = _picture(tmp_path)
    params = FaceParams(given_crops=True)
    faces, rejected = _extracted(tmp_path, [_row(0, "a.png")], _STUDY, params, _Scripted(*boxes))
    assert rejected == []
    (row,) = faces
    np.testing.assert_array_equal(decode_image(row["crop"], ImageLimits()), resize(image, 64, 64))
    if boxes:  # the largest is the face of the crop
        assert [row[name] for name in "xywh"] == [20, 10, 90, 100]
        assert row["yaw"] == pytest.approx(0, abs=1e-3)
    else:
        assert all(row[name] is None for name in ("x", "y", "w", "h", "score", "landmarks", "yaw"))


def test_given_crops_need_not_be_looked_into(tmp_path: Path) -> None:
    _picture(tmp_path)
    params = FaceParams(given_crops=True, look_into_given_crops=False)
    extractor = FaceExtractor(tmp_path, _STUDY, params, ImageLimits())
    assert extractor.detector is None
    assert extractor([_row(0, "a.png")]).faces["score"].to_pylist() == [None]


def test_tiles_cover_the_image_row_by_row(tmp_path: Path) -> None:
    image = _picture(tmp_path)
    study = DatasetStudy(height=64, width=64, crop="tiles", tile_size=64, tile_stride=50)
    faces, rejected = _extracted(tmp_path, [_row(0, "a.png")], study, FaceParams(), None)
    assert rejected == []
    assert [(row["x"], row["y"]) for row in faces] == [(x, y) for y in (0, 50) for x in (0, 50, 100)]
    assert all(row["w"] == row["h"] == 64 and row["score"] is None for row in faces)
    np.testing.assert_array_equal(decode_image(faces[4]["crop"], ImageLimits()), image[50:114, 50:114])


def test_many_tiles_are_in_the_order_of_their_ids(tmp_path: Path) -> None:
    _picture(tmp_path, size=(160, 200))
    study = DatasetStudy(height=16, width=16, crop="tiles", tile_size=16, tile_stride=16)
    ids = [row["face_id"] for row in _extracted(tmp_path, [_row(0, "a.png")], study, FaceParams(), None)[0]]
    assert len(ids) == 120
    assert ids == sorted(ids)


def test_an_image_smaller_than_a_tile_is_refused(tmp_path: Path) -> None:
    _picture(tmp_path)
    study = DatasetStudy(crop="tiles", tile_size=128)
    faces, rejected = _extracted(tmp_path, [_row(0, "a.png")], study, FaceParams(), None)
    assert faces == []
    assert [row["reason"] for row in rejected] == ["too_small"]


def test_no_crop_means_the_whole_image(tmp_path: Path) -> None:
    image = _picture(tmp_path)
    study = DatasetStudy(height=48, width=80, crop="none")
    (row,) = _extracted(tmp_path, [_row(0, "a.png")], study, FaceParams(), _Blind())[0]
    np.testing.assert_array_equal(decode_image(row["crop"], ImageLimits()), resize(image, 48, 80))
    assert row["x"] is None


def test_crops_are_stored_as_the_study_says(tmp_path: Path) -> None:
    _picture(tmp_path)
    study = DatasetStudy(height=64, width=64, type="jpeg", crop="none")
    (row,) = _extracted(tmp_path, [_row(0, "a.png")], study, FaceParams(), None)[0]
    assert row["crop"].startswith(b"\xff\xd8\xff")


def _manifest(folder: Path, rows: list[dict[str, Any]]) -> ParquetTable:
    folder.mkdir()
    rest = {"sha256": "0", "width": 1, "height": 1, "bytes": 1, "phash": 0, "kind": "image", "memberships": ["g"]}
    write_shards(RecordStream.of_rows(MANIFEST, [row | rest for row in rows]), folder)
    return ParquetTable(folder)


def test_the_tables_do_not_depend_on_the_number_of_workers(tmp_path: Path, rendered: list[RenderedFace]) -> None:
    rows = [_row(number, f"{number}.png") for number in range(40)]
    for row, face in zip(rows[1:], rendered[1:], strict=True):
        (tmp_path / row["path"]).write_bytes(encode_image(face.image, "png"))
    manifest = _manifest(tmp_path / "manifest", rows)
    results = []
    for workers in (1, 2):
        faces, rejected = extract_faces(manifest, tmp_path, _STUDY, FaceParams(), workers=workers)
        results.append([batch.to_pylist() for stream in (faces, rejected) for batch in stream])
    assert results[0] == results[1]
    ids = [row["face_id"] for batch in results[0][:-1] for row in batch]
    assert ids == sorted(ids)
    assert len(ids) >= 38
    assert results[0][-1][0]["reason"] == "missing"


def test_refusals_are_known_only_when_all_faces_are(tmp_path: Path) -> None:
    manifest = _manifest(tmp_path / "manifest", [_row(0, "absent.png")])
    study = DatasetStudy(crop="none")
    faces, rejected = extract_faces(manifest, tmp_path, study, FaceParams())
    with pytest.raises(RuntimeError, match="write the faces first"):
        list(rejected)
    assert [batch.num_rows for batch in faces] == [0]
    assert [batch.num_rows for batch in rejected] == [1]
