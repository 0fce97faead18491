from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from deepfake_pipeline.forge.rendered import TRUTH, RenderedMedia
from deepfake_pipeline.media.render import RenderParams, render_face

PARAMS = RenderParams(identities=4, images_per_identity=2, size=96, seed=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rendered")
    assert RenderedMedia(PARAMS).write_into(folder) == []
    return folder


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[dict]:
    return pq.read_table(folder / "truth.parquet").to_pylist()


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_bytes_do_not_depend_on_workers(folder: Path, tmp_path: Path) -> None:
    RenderedMedia(PARAMS, workers=2).write_into(tmp_path)
    assert _files(tmp_path) == _files(folder)


def test_truth_names_every_file_once(folder: Path, rows: list[dict]) -> None:
    assert pq.read_schema(folder / "truth.parquet").equals(TRUTH)
    paths = [row["path"] for row in rows]
    masks = [row["mask"] for row in rows if row["mask"]]
    assert paths == sorted(set(paths))
    assert set(paths) | set(masks) | {"truth.parquet"} == set(_files(folder))
    assert len(paths) == 16 and len(masks) == 8


def test_labels_stand_in_names_metadata_and_truth(folder: Path, rows: list[dict]) -> None:
    for row in rows:
        kind = "forged" if row["label"] else "real"
        assert row["path"].startswith(f"{kind}/")
        assert (row["method"] == "swap") == (row["target_identity"] is not None) == bool(row["label"])
        with Image.open(folder / row["path"]) as image:
            assert image.text["Label"] == f"{kind} (rendered training data)"
            assert (image.format, image.mode, image.size) == ("PNG", "RGB", (96, 96))
    assert "forged/swap_id03_into_id02_1.png" in {row["path"] for row in rows}


def test_swaps_stay_inside_a_pair(rows: list[dict]) -> None:
    for row in rows:
        pair = int(row["pair"].removeprefix("pair-"))
        assert row["identity"] // 2 == pair
        if row["label"]:
            assert row["target_identity"] // 2 == pair
            assert row["target_identity"] != row["identity"]


def test_forgeries_differ_from_their_target_inside_the_mask_alone(folder: Path, rows: list[dict]) -> None:
    for row in (row for row in rows if row["label"]):
        number = row["path"].removesuffix(".png").rsplit("_", 1)[1]
        real = np.asarray(Image.open(folder / f"real/id{row['target_identity']:02d}_{number}.png"))
        forged, mask = np.asarray(Image.open(folder / row["path"])), np.asarray(Image.open(folder / row["mask"]))
        assert mask.shape == forged.shape[:2]
        assert np.array_equal(forged[mask == 0], real[mask == 0])
        assert np.any(forged[mask > 128] != real[mask > 128], axis=1).mean() > 0.9


def test_truth_is_that_of_the_renderer(folder: Path, rows: list[dict]) -> None:
    for row in rows:
        number = int(row["path"].removesuffix(".png").rsplit("_", 1)[1])
        shown = row["identity"] if row["target_identity"] is None else row["target_identity"]
        face = render_face(shown, number, PARAMS)
        assert [row[name] for name in "xywh"] == pytest.approx(face.box.tolist())
        assert row["landmarks"] == pytest.approx(face.landmarks.ravel().tolist())
        assert (row["yaw"], row["pitch"], row["roll"]) == pytest.approx((face.yaw, face.pitch, face.roll), abs=1e-4)
        if not row["label"]:
            assert np.array_equal(np.asarray(Image.open(folder / row["path"])), face.image)


def test_classes_are_balanced_and_alike_as_a_whole(folder: Path, rows: list[dict]) -> None:
    means = {0: [], 1: []}
    for row in rows:
        means[row["label"]].append(np.asarray(Image.open(folder / row["path"])).mean())
    assert len(means[0]) == len(means[1])
    assert np.mean(means[0]) == pytest.approx(np.mean(means[1]), abs=2)
