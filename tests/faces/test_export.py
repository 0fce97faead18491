"""Exports, read back with json and OpenCV."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.dataset as pads
import pytest

from deepfake_pipeline.faces import Detection, FaceParams
from deepfake_pipeline.faces.export import export_coco, export_swap_folders
from deepfake_pipeline.faces.geometry import CropGeometry, cut
from deepfake_pipeline.media.images import encode_image
from deepfake_pipeline.media.render import RenderedFace
from deepfake_pipeline.tables import ParquetTable
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.schemas import FACES, MANIFEST
from deepfake_pipeline.tables.stream import RecordStream, write_shards

GEOMETRY = CropGeometry(kind="aligned", height=96, width=96, faces=FaceParams(margin=0.2))
GROUP = pads.field("group")
# pyarrow writes lists of fixed length with nulls among them to Parquet, but cannot read them again


def _table(folder: Path, schema: Any, rows: list[dict[str, Any]]) -> ParquetTable:
    folder.mkdir(parents=True)
    write_shards(RecordStream.of_rows(schema, rows), folder)
    return ParquetTable(folder)


def _row(face: RenderedFace, sample: str, frame: int, number: int, label: int | None) -> dict[str, Any]:
    crop = cut(face.image, Detection(face.box, 0.9, face.landmarks), GEOMETRY)
    return {
        "face_id": f"{sample}-{frame:06d}-{number:02d}",
        "sample_id": sample,
        "label": label,
        "group": sample[0],
        "split": "train",
        "method": "swap" if label else None,
        "source": "tést",
        "frame": frame,
        "face": number,
        **dict(zip("xywh", face.box.tolist(), strict=True)),
        "score": 0.9,
        "landmarks": face.landmarks.ravel().tolist(),
        "sharpness": 1.0,
        "brightness": 1.0,
        "light_uniformity": 1.0,
        "crop": encode_image(crop, "png"),
    }


@pytest.fixture
def rows(rendered: list[RenderedFace]) -> list[dict[str, Any]]:
    places = [("a1", 0, 0, 0), ("a1", 0, 1, 1), ("a1", 7, 0, 0), ("b1", 0, 0, 1), ("c1", 0, 0, None)]
    made = [_row(face, *place) for face, place in zip(rendered, places, strict=False)]
    made[4] |= dict.fromkeys([*"xywh", "score", "landmarks"])
    return made


@pytest.fixture
def faces(tmp_path: Path, rows: list[dict[str, Any]]) -> ParquetTable:
    return _table(tmp_path / "faces", FACES, rows)


@pytest.fixture
def manifest(tmp_path: Path) -> ParquetTable:
    known = dict.fromkeys(["sha256", "group", "split", "source"], "x") | {
        "bytes": 1,
        "phash": 0,
        "kind": "image",
        "memberships": [],
    }
    sizes = {"width": 160, "height": 160}
    return _table(
        tmp_path / "manifest",
        MANIFEST,
        [{"sample_id": s, "path": f"vidéos/{s}.mp4"} | known | sizes for s in ("a1", "b1")],
    )


def _left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"faces", "manifest"}


def test_folders_hold_the_crops_and_tell_where_they_were_cut(
    faces: ParquetTable, rows: list[dict[str, Any]], rendered: list[RenderedFace], tmp_path: Path
) -> None:
    folder = tmp_path / "swap"
    counts = export_swap_folders(faces, folder, GROUP == "a", GROUP == "b", GEOMETRY)
    assert counts == {"data_src": 3, "data_dst": 1}
    assert _left(tmp_path) == {"swap"}
    source = json.loads((folder / "data_src/metadata.json").read_text(encoding="utf-8"))["faces"]
    assert [entry["face_id"] for entry in source] == [row["face_id"] for row in rows[:3]]
    assert [entry["file"] for entry in source][1] == "aligned/a1-000000-01-forged.png"
    assert {path.name for path in (folder / "data_src/aligned").iterdir()} == {e["file"][8:] for e in source}
    for entry, row, face in zip(source, rows, rendered, strict=False):
        assert (folder / "data_src" / entry["file"]).read_bytes() == row["crop"]
        again = cv2.warpAffine(face.image, np.array(entry["to_crop"]), (96, 96), borderMode=cv2.BORDER_REFLECT_101)
        crop = cv2.cvtColor(cv2.imread(str(folder / "data_src" / entry["file"])), cv2.COLOR_BGR2RGB)
        assert np.abs(again.astype(int) - crop).mean() < 4
        points = np.array(entry["landmarks_in_crop"]).reshape(5, 2)
        back = cv2.transform(points[None], np.array(entry["to_frame"]))[0]
        np.testing.assert_allclose(back, face.landmarks, atol=0.01)
        assert (entry["label"], entry["source"]) == (row["label"], "tést")


def test_without_a_geometry_no_transform_is_told(faces: ParquetTable, tmp_path: Path) -> None:
    export_swap_folders(faces, tmp_path / "swap", GROUP == "a", GROUP == "c")
    entry = json.loads((tmp_path / "swap/data_dst/metadata.json").read_text(encoding="utf-8"))["faces"][0]
    assert "to_crop" not in entry and entry["label"] is None and entry["x"] is None


def test_nothing_is_overwritten_and_nothing_half_is_left(faces: ParquetTable, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").touch()
    with pytest.raises(UserError, match="not empty"):
        export_swap_folders(faces, full, GROUP == "a", GROUP == "b")
    with pytest.raises(UserError, match="no face is chosen for data_dst"):
        export_swap_folders(faces, tmp_path / "swap", GROUP == "a", GROUP == "nobody")
    assert _left(tmp_path) == {"full"}
    (full / "mine").unlink()
    assert export_swap_folders(faces, full, GROUP == "a", GROUP == "b")["data_dst"] == 1


def test_coco_holds_frames_boxes_and_points(
    faces: ParquetTable, manifest: ParquetTable, rendered: list[RenderedFace], tmp_path: Path
) -> None:
    path = tmp_path / "faces.json"
    assert export_coco(faces, manifest, path) == {"images": 3, "annotations": 4}
    coco = json.loads(path.read_text(encoding="utf-8"))
    assert [(one["id"], one["name"]) for one in coco["categories"]] == [(0, "Real"), (1, "Fake")]
    assert [(one["id"], one["file_name"], one["frame"]) for one in coco["images"]] == [
        (1, "vidéos/a1.mp4", 0),
        (2, "vidéos/a1.mp4", 7),
        (3, "vidéos/b1.mp4", 0),
    ]
    assert [(one["image_id"], one["category_id"]) for one in coco["annotations"]] == [(1, 0), (1, 1), (2, 0), (3, 1)]
    for annotation, face in zip(coco["annotations"], rendered, strict=False):
        np.testing.assert_allclose(annotation["bbox"], face.box)
        assert annotation["area"] == pytest.approx(float(face.box[2] * face.box[3]))
        points = np.array(annotation["keypoints"]).reshape(5, 3)
        np.testing.assert_allclose(points[:, :2], face.landmarks)
        assert (points[:, 2] == 2).all() and annotation["num_keypoints"] == 5


def test_coco_has_a_category_for_faces_without_a_label(
    manifest: ParquetTable, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    rows[0] |= {"label": None, "landmarks": None}
    export_coco(_table(tmp_path / "more", FACES, rows[:1]), manifest, tmp_path / "faces.json")
    coco = json.loads((tmp_path / "faces.json").read_text())
    assert [one["name"] for one in coco["categories"]] == ["Real", "Fake", "Unlabelled"]
    assert coco["annotations"][0]["category_id"] == 2
    assert coco["annotations"][0]["num_keypoints"] == 0 and coco["annotations"][0]["keypoints"] == [0] * 15


def test_an_export_that_fails_leaves_the_old_file(
    faces: ParquetTable, manifest: ParquetTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "faces.json"
    path.write_text("old")
    empty = _table(tmp_path / "other" / "manifest", MANIFEST, [])
    with pytest.raises(UserError, match="sample a1 is not in it"):
        export_coco(faces, empty, path)
    assert path.read_text() == "old" and _left(tmp_path) == {"faces.json", "other"}
    with pytest.raises(UserError, match="no folder"):
        export_coco(faces, manifest, tmp_path / "absent" / "faces.json")

    def broken(*_: Any, **__: Any) -> Iterator[Any]:
        raise RuntimeError("interrupted")

    monkeypatch.setattr(ParquetTable, "batches", broken)
    with pytest.raises(RuntimeError):
        export_swap_folders(faces, tmp_path / "swap", GROUP == "a", GROUP == "b")
    assert not (tmp_path / "swap").exists()
