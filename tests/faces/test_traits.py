"""What is known of faces: from a table and crops on disk, as the evaluation has them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.color import lab2rgb, rgb2lab

from deepfake_pipeline.faces.geometry import CropGeometry
from deepfake_pipeline.faces.params import FaceParams
from deepfake_pipeline.faces.traits import face_traits
from deepfake_pipeline.tables import ParquetTable, RecordStream
from deepfake_pipeline.tables.packed import PackedBatch, PackedFaces, PackedStream, open_packed, write_packed
from deepfake_pipeline.tables.schemas import FACE_TRAITS, FACES
from deepfake_pipeline.tables.stream import write_shards

SIDE = 96
GEOMETRY = CropGeometry(kind="aligned", height=SIDE, width=SIDE, faces=FaceParams())
KNOWN: dict[str, dict[str, Any]] = {
    "photo": {"method": None, "track": None, "yaw": -12.5, "w": 80.0, "h": 100.0},
    "film 0": {"method": "swap", "track": 0, "yaw": 30.0, "w": 61.0, "h": 60.0},
    "film 7": {"method": "swap", "track": 7, "yaw": None, "w": 200.0, "h": 300.0},
    "given": {"method": "drawn", "track": None, "yaw": None, "w": None, "h": None},
}
ORDER = ["film 7", "given", "photo", "film 0"]  # in which they are packed; the table has another


def table(folder: Path) -> ParquetTable:
    """The faces that are known, and one of another split that would be another person of the same film."""
    rest: dict[str, Any] = {"group": "g", "source": "planted", "label": 1, "frame": 0, "face": 0, "crop": b""}
    rest |= {"sharpness": 1.0, "brightness": 1.0, "light_uniformity": 1.0, "x": 5.0, "y": 5.0}
    rows = [
        {**rest, "split": "test", "face_id": name, "sample_id": name.split()[0], **facts}
        for name, facts in KNOWN.items()
    ]
    folder.mkdir()
    write_shards(RecordStream.of_rows(FACES, [{**rows[1], "split": "train", "face_id": "film 9"}, *rows]), folder)
    return ParquetTable(folder)


def crops(folder: Path, colours: dict[str, tuple[int, int, int]]) -> PackedFaces:
    """A crop of one colour for each face in ``ORDER``."""
    images = np.stack([np.full((SIDE, SIDE, 3), colours.get(name, (190, 140, 115)), np.uint8) for name in ORDER])
    count = len(ORDER)
    folder.mkdir()
    batch = PackedBatch(images, np.ones(count, np.int8), ["g"] * count, ORDER)
    write_packed(PackedStream(count, SIDE, SIDE, [batch]), folder)
    return open_packed(folder)


def test_a_row_a_packed_face_in_the_order_of_the_crops(tmp_path: Path) -> None:
    rows = list(face_traits(table(tmp_path / "faces"), crops(tmp_path / "packed", {}), "test", GEOMETRY))
    assert [row["face_id"] for row in rows] == ORDER
    assert [row["sample_id"] for row in rows] == ["film", "given", "photo", "film"]
    assert {row["source"] for row in rows} == {"planted"}
    for row in rows:
        facts = KNOWN[row["face_id"]]
        assert {name: row[name] for name in ("method", "track", "yaw")} == {
            name: facts[name] for name in ("method", "track", "yaw")
        }
    assert {row["face_id"]: row["size"] for row in rows} == {"photo": 80, "film 0": 60, "film 7": 200, "given": None}


def test_rows_are_those_of_the_schema_and_what_is_not_known_is_null(tmp_path: Path) -> None:
    rows = face_traits(table(tmp_path / "faces"), crops(tmp_path / "packed", {}), "test", GEOMETRY)
    (batch,) = RecordStream.of_rows(FACE_TRAITS, rows)
    assert batch.schema == FACE_TRAITS
    assert batch["track"].to_pylist() == [7, None, None, 0]
    assert batch["yaw"].to_pylist() == [None, None, -12.5, 30.0]
    assert batch["size"].null_count == 1 and batch["method"].null_count == 1


def test_the_skin_angle_is_that_of_the_crop_of_the_same_face(tmp_path: Path) -> None:
    light, dark = ((75, 12, 15), (35, 12, 15))  # L*, a*, b*
    painted: dict[str, tuple[int, int, int]] = {"film 0": (80, 90, 200)}  # a blue that no skin has
    expected: dict[str, float | None] = {"film 0": None}
    for name, colour in (("photo", light), ("film 7", dark)):
        red, green, blue = np.rint(255 * lab2rgb(np.array([[colour]], np.float64)))[0, 0].astype(int).tolist()
        painted[name] = (red, green, blue)
        lightness, _, yellow = rgb2lab(np.array([[painted[name]]], np.uint8)).ravel()
        expected[name] = math.degrees(math.atan2(lightness - 50, yellow))
    faces, packed = table(tmp_path / "faces"), crops(tmp_path / "packed", painted)
    found = {row["face_id"]: row["skin_angle"] for row in face_traits(faces, packed, "test", GEOMETRY)}
    assert found["film 0"] is None
    assert found["photo"] == pytest.approx(expected["photo"], abs=0.5)
    assert found["film 7"] == pytest.approx(expected["film 7"], abs=0.5)
    assert found["photo"] > 50 and found["film 7"] < -40


def test_where_no_face_points_are_known_no_skin_is_looked_at(tmp_path: Path) -> None:
    faces, packed = table(tmp_path / "faces"), crops(tmp_path / "packed", {})
    whole = GEOMETRY.model_copy(update={"kind": "whole"})
    rows = list(face_traits(faces, packed, "test", whole))
    assert [row["skin_angle"] for row in rows] == [None] * 4
    assert [row["face_id"] for row in rows] == ORDER
