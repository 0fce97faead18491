"""`kedro enhance` as a user calls it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from deepfake_pipeline.cli import cli
from deepfake_pipeline.media.render import render_face
from deepfake_pipeline.metrics.fidelity import psnr
from tests.media.clips import decoded_plainly, write_video

ROOT = Path(__file__).parents[1]


class Metadata:
    project_path = ROOT


def enhance(*arguments):
    return CliRunner().invoke(cli, ["enhance", *map(str, arguments)], obj=Metadata)


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "below").mkdir(parents=True)
    clean = render_face(0, 0).image
    hit = np.random.default_rng(0).random(clean.shape[:2]) < 0.05
    spoiled = np.where(hit[..., None], np.uint8(255), clean)
    Image.fromarray(spoiled).save(folder / "below" / "face.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n no picture")
    return folder, clean, spoiled


def test_a_folder_is_restored_and_keeps_its_shape(source, tmp_path):
    folder, clean, spoiled = source
    result = enhance(folder, "--out", tmp_path / "out")
    assert result.exit_code == 0
    restored = np.asarray(Image.open(tmp_path / "out/below/face.png"))
    assert psnr(clean, restored) > psnr(clean, spoiled)
    assert not np.array_equal(restored, spoiled)
    assert "broken.png: unreadable" in result.stderr
    assert "1 refused, 1 restored" in result.stderr
    assert np.array_equal(np.asarray(Image.open(folder / "below/face.png")), spoiled)


def test_a_classical_repair_is_chosen_by_name(source, tmp_path):
    folder, _, spoiled = source
    assert enhance(folder, "--out", tmp_path / "out", "--repair", "median3").exit_code == 0
    expected = cv2.medianBlur(spoiled, 3)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out/below/face.png")), expected)


def test_mistakes_are_one_line_and_sources_are_safe(source, tmp_path):
    folder, _, spoiled = source
    unknown = enhance(folder, "--out", tmp_path / "out", "--repair", "magic")
    assert unknown.exit_code == 1
    assert unknown.stderr.splitlines()[-1].startswith("error: no repair magic: there are router, enhancer, ")
    clash = enhance(folder, "--out", folder)
    assert clash.exit_code == 1
    assert "is a source itself" in clash.stderr
    assert np.array_equal(np.asarray(Image.open(folder / "below/face.png")), spoiled)


def test_a_video_among_pictures_is_restored_frame_by_frame(source, tmp_path):
    folder, _, spoiled = source
    write_video(folder / "clip.mp4", [spoiled] * 3, sound=True)
    (folder / "cut.mp4").write_bytes((folder / "clip.mp4").read_bytes()[:200])
    result = enhance(folder, "--out", tmp_path / "out", "--repair", "median3")
    assert result.exit_code == 0
    assert "1 restored" not in result.stderr
    assert "2 refused, 2 restored" in result.stderr
    assert "cut.mp4: unreadable" in result.stderr
    frames = decoded_plainly(tmp_path / "out" / "clip.mp4")
    assert len(frames) == 3
    before = decoded_plainly(folder / "clip.mp4")
    for (time, image), (old_time, old) in zip(frames, before, strict=True):
        assert time == old_time
        assert psnr(cv2.medianBlur(old, 3), image) > 35


def test_two_sources_never_become_one_file(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        Image.fromarray(render_face(0, 0).image).save(tmp_path / folder / "face.png")
    result = enhance(tmp_path / "a/face.png", tmp_path / "b/face.png", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "would both become" in result.stderr


def test_nothing_restored_is_status_one(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    assert enhance(tmp_path / "a.jpg", "--out", tmp_path / "out").exit_code == 1
