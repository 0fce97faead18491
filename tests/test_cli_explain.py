"""`kedro score --explain` as a user calls it: which pictures are written, their names, and what goes wrong."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from deepfake_pipeline.cli import cli
from deepfake_pipeline.faces.geometry import CropGeometry
from deepfake_pipeline.faces.params import FaceParams
from deepfake_pipeline.media.images import encode_image, resize
from deepfake_pipeline.models.run import DetectorRunner
from deepfake_pipeline.models.store import build_network
from deepfake_pipeline.scoring.explain import occlusion, overlay
from deepfake_pipeline.scoring.release import Release, read_release, write_release
from tests.faces.films import film, scene

ROOT = Path(__file__).parents[1]
SIDE = 48


class Metadata:
    project_path = ROOT


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    torch.manual_seed(0)
    geometry = CropGeometry(kind="aligned", height=SIDE, width=SIDE, faces=FaceParams())
    write_release(Release("small", build_network("meso4", {"image_size": 32}), geometry, 0.5), folder)
    return folder


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    film(folder / "clip.mp4", 8, empty=(2, 3))
    (folder / "two.png").write_bytes(encode_image(scene({0: (10, 8), 1: (220, 8)}), "png"))
    (folder / "nobody.png").write_bytes(encode_image(scene({}), "png"))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    return folder


@pytest.fixture
def score(release: Path):
    def run(*arguments: object) -> Result:
        options = ["--release", release, "--workers", "1", "--accelerator", "cpu", "--json"]
        return CliRunner().invoke(cli, ["score", *map(str, [*options, *arguments])], obj=Metadata)

    return run


def name_of(path: Path, frame: int, face: int) -> str:
    return f"{path.name}-{hashlib.sha256(str(path).encode()).hexdigest()[:8]}-{frame:06d}-{face:02d}.png"


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_face_that_is_judged_has_its_picture_and_nothing_else_has(score, media: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "maps"
    result = score(media, "--explain", out)
    assert result.exit_code == 0, result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    faces = [row for row in rows if row["level"] == "face"]
    assert {Path(row["path"]).name for row in faces} == {"clip.mp4", "two.png"}
    frames = {row["frame"] for row in faces if row["path"].endswith("clip.mp4")}
    assert len(frames) == 6 and not frames & {2, 3}
    expected = {name_of(Path(row["path"]), row["frame"] or 0, row["face"]) for row in faces}
    assert len(expected) == len(faces) == 2 * 6 + 2
    pictures = written(out)
    assert set(pictures) == expected
    shapes = {cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape for data in pictures.values()}
    assert shapes == {(SIDE, 2 * SIDE, 3)}
    assert score(media).stdout == result.stdout  # drawing it changes no score


def test_the_picture_is_the_face_beside_its_map(score, release: Path, media: Path, tmp_path: Path) -> None:
    source = media / "two.png"
    assert score(source, "--explain", tmp_path / "maps", "--faces", "whole").exit_code == 0
    (name,) = written(tmp_path / "maps")
    assert name == name_of(source, 0, 0)
    crop = resize(cv2.imread(str(source))[..., ::-1], SIDE, SIDE)
    shown = cv2.imread(str(tmp_path / "maps" / name))[..., ::-1]
    assert np.array_equal(shown[:, :SIDE], crop)
    judge = DetectorRunner(read_release(release).detector, "cpu", mixed=True)
    assert np.array_equal(shown, overlay(crop, occlusion(judge, crop)))


def test_a_second_run_replaces_its_own_pictures_and_leaves_others(score, media: Path, tmp_path: Path) -> None:
    out = tmp_path / "maps"
    score(media / "two.png", "--explain", out)
    first = written(out)
    assert len(first) == 2
    (out / min(first)).write_bytes(b"old")
    (out / "mine.txt").write_text("kept")
    assert score(media / "two.png", "--explain", out).exit_code == 0
    assert written(out) == {**first, "mine.txt": b"kept"}


def test_files_of_one_name_in_two_folders_do_not_share_a_picture(score, media: Path, tmp_path: Path) -> None:
    paths = [tmp_path / folder / "face.png" for folder in "ab"]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes((media / "two.png").read_bytes())
    assert score(*paths, "--explain", tmp_path / "maps", "--faces", "whole").exit_code == 0
    assert set(written(tmp_path / "maps")) == {name_of(path, 0, 0) for path in paths}


def test_a_picture_without_a_face_writes_nothing(score, media: Path, tmp_path: Path) -> None:
    result = score(media / "nobody.png", media / "broken.jpg", "--explain", tmp_path / "maps", "--faces", "detect")
    assert result.exit_code == 1  # nothing could be scored
    assert [json.loads(line)["reason"] for line in result.stdout.splitlines()] == ["no_face", "unreadable"]
    assert list((tmp_path / "maps").iterdir()) == []


def test_a_long_name_is_cut(score, media: Path, tmp_path: Path) -> None:
    source = tmp_path / f"{'ä' * 125}.png"  # 254 bytes of the 255 that file systems take
    source.write_bytes((media / "two.png").read_bytes())
    result = score(source, "--explain", tmp_path / "maps", "--faces", "whole")
    assert result.exit_code == 0, result.stderr
    (name,) = written(tmp_path / "maps")
    assert name.startswith("ä" * 100 + "-") and name.endswith("-000000-00.png")


@pytest.mark.parametrize("files", [["two.png"], ["clip.mp4", "clip.mp4"]])  # too little, and enough, for two workers
def test_a_folder_that_cannot_be_made_is_one_line_before_any_work(score, media, tmp_path, files) -> None:
    (tmp_path / "file").write_text("x")
    paths = [media / name for name in files]
    result = score(*paths, "--explain", tmp_path / "file" / "maps", "--workers", "2")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == f"error: cannot make the folder {tmp_path / 'file' / 'maps'}: Not a directory\n"


def test_a_file_is_no_folder(score, media: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    result = score(media / "two.png", "--explain", tmp_path / "file")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].endswith("is a file.")
    assert (tmp_path / "file").read_text() == "x"


def test_a_picture_that_cannot_be_written_is_one_line_and_leaves_nothing(score, media: Path, tmp_path: Path) -> None:
    place = tmp_path / "maps" / name_of(media / "two.png", 0, 0)
    place.mkdir(parents=True)
    result = score(media / "two.png", "--explain", tmp_path / "maps", "--faces", "whole")
    assert result.exit_code == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert errors == [f"error: cannot write {place}: Is a directory"]
    assert "Traceback" not in result.stderr + result.stdout
    assert [path.name for path in place.parent.iterdir()] == [place.name]
