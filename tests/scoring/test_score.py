"""Scoring of videos beside pictures, with the release of the package."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from deepfake_pipeline.degrade import apply, draw_recipe
from deepfake_pipeline.faces import GivenParams
from deepfake_pipeline.media.images import ImageLimits, decode_image, encode_image
from deepfake_pipeline.media.render import RenderParams, render_face
from deepfake_pipeline.media.sampling import spread
from deepfake_pipeline.restore.router import Router
from deepfake_pipeline.scoring import output, score
from deepfake_pipeline.scoring.conformal import NEVER, UnsureRule
from deepfake_pipeline.scoring.enhance import build_repair
from deepfake_pipeline.scoring.release import packaged_release
from deepfake_pipeline.scoring.score import FileScorer, score_files
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.ids import sha256_hex
from tests.faces.films import film, scene


@pytest.fixture(scope="module")
def release():
    return replace(
        packaged_release(), unsure=None, unsure_enhanced=None
    )  # a verdict each, so that there is something to compare


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    data = film(folder / "a.mp4").read_bytes()
    (folder / "b.png").write_bytes(encode_image(scene({0: (10, 8), 1: (220, 8)}), "png"))
    (folder / "c.mp4").write_bytes(data[: int(0.7 * len(data))])
    film(folder / "d.mp4", 3, people=())
    (folder / "e.mp4").write_bytes(b"no video")
    return folder


@pytest.fixture(scope="module")
def rows(folder, release):
    return list(score_files([folder], release))


def of(rows, name):
    """The face rows and the file row."""
    *faces, file = [row for row in rows if row["path"].endswith(name)]
    assert all(face["level"] == "face" for face in faces) and file["level"] == "file"
    return faces, file


def test_a_video_gives_its_faces_and_one_row_for_the_file(rows, folder, release):
    faces, file = of(rows, "a.mp4")
    frames = spread(12, 8)
    assert [(face["frame"], face["face"], face["track"]) for face in faces] == [
        (n, f, f) for n in frames for f in (0, 1)
    ]
    assert [face["seconds"] for face in faces] == pytest.approx([face["frame"] / 25 for face in faces])
    logits = {
        track: logit(np.array([face["fake_probability"] for face in faces if face["track"] == track], np.float64))
        for track in (0, 1)
    }
    assert file["fake_probability"] == pytest.approx(max(expit(one.mean()) for one in logits.values()), abs=1e-5)
    assert file["verdict"] == ("fake" if file["fake_probability"] >= release.threshold else "real")
    assert {row["sha256"] for row in (*faces, file)} == {sha256_hex((folder / "a.mp4").read_bytes())}


def test_a_picture_counts_as_its_most_forged_face(rows):
    faces, file = of(rows, "b.png")
    assert len(faces) == 2 and {face.get("track") for face in faces} == {None}
    assert file["fake_probability"] == max(face["fake_probability"] for face in faces)


def test_a_cut_off_video_is_scored_by_what_is_left_and_says_so(rows):
    faces, file = of(rows, "c.mp4")
    assert faces and file["verdict"] in ("real", "fake") and file["reason"] == "unreadable"


def test_videos_without_faces_and_files_that_are_no_videos(rows):
    assert of(rows, "d.mp4")[0] == of(rows, "e.mp4")[0] == []
    assert [of(rows, "d.mp4")[1][name] for name in ("verdict", "reason")] == ["no_face", "no_face"]
    assert [of(rows, "e.mp4")[1][name] for name in ("verdict", "reason")] == [None, "unsupported_type"]


def test_a_frame_can_be_taken_as_one_face(folder, release):
    faces, _ = of(score_files([folder / "a.mp4"], release, faces="whole"), "a.mp4")
    assert [(face["frame"], face["track"], face["crop"]) for face in faces] == [(n, 0, "whole") for n in spread(12, 8)]


def test_bytes_of_a_video_are_refused_and_its_path_is_not(folder, release, monkeypatch):
    scorer = FileScorer(release, "auto")
    (row,) = scorer.score([("0", (folder / "a.mp4").read_bytes())])
    assert (row["level"], row["reason"]) == ("file", "unsupported_type")
    scored = scorer.score([("0", folder / "a.mp4")])
    monkeypatch.setattr(score, "CROPS_PER_BATCH", 5)
    portioned = scorer.score([("0", folder / "a.mp4")])
    expected = [row["fake_probability"] for row in scored]
    found = [row["fake_probability"] for row in portioned]
    rounding = 3e-5  # nats: models.winograd moves log-odds by up to 2e-5, and the calibrator stretches them by 1.3
    assert logit(np.array(found)) == pytest.approx(logit(np.array(expected)), abs=rounding)


def test_rows_do_not_depend_on_the_number_of_workers(rows, folder, release):
    assert list(score_files([folder], release, workers=2)) == rows


def test_the_table_on_the_terminal(rows):
    heading, *lines = output.table(rows, 12)
    assert heading.split() == ["file", "time", "track", "face", "crop", "P", "fake", "verdict"]
    assert len(lines) == len(rows)  # no file here has one face
    files = [line for line in lines if "whole file" in line or "no_face" in line or "not scored" in line]
    assert len(files) == 5 and files[2].endswith("(whole file), not all of it: unreadable")
    one_face = [row for row in rows if row["path"].endswith("b.png")][1:]
    assert len(list(output.table(one_face, 12))) == 2


class TestSmallFaces:
    @pytest.fixture
    def demanding(self, release):
        """A release that never saw a face of the films."""
        faces = release.geometry.faces.model_copy(update={"min_size": 400})
        return replace(release, geometry=release.geometry.model_copy(update={"faces": faces}))

    @pytest.mark.parametrize("name", ["a.mp4", "b.png"])
    def test_they_are_told_and_not_judged(self, folder, demanding, name):
        faces, file = of(list(score_files([folder / name], demanding, faces="detect")), name)
        assert faces and {face["reason"] for face in faces} == {"too_small"} and all(face["w"] > 20 for face in faces)
        assert not any("fake_probability" in row for row in (*faces, file))
        assert file["reason"] == "too_small" and file["verdict"] is None

    def test_a_larger_one_beside_them_decides(self, folder, release):
        faces, _ = of(list(score_files([folder / "b.png"], release, faces="detect")), "b.png")
        sizes = sorted(max(face["w"], face["h"]) for face in faces)
        params = release.geometry.faces.model_copy(update={"min_size": int(sizes[-1])})
        between = replace(release, geometry=release.geometry.model_copy(update={"faces": params}))
        told, file = of(list(score_files([folder / "b.png"], between, faces="detect")), "b.png")
        assert [face.get("reason") for face in told].count("too_small") == sum(size < int(sizes[-1]) for size in sizes)
        largest = max(faces, key=lambda face: max(face["w"], face["h"]))
        assert file["fake_probability"] == pytest.approx(largest["fake_probability"], abs=1e-6)


@pytest.fixture
def grainy(tmp_path):
    face = render_face(5, 0, RenderParams(size=224)).image
    path = tmp_path / "grainy.png"
    path.write_bytes(encode_image(apply(draw_recipe("one", "salt_and_pepper", 3, 0), face), "png"))
    return path


class TestEnhancedFirst:
    def test_what_is_judged_is_what_the_enhancer_makes_of_a_face(self, grainy, release, tmp_path):
        enhanced = build_repair("enhancer", release)(decode_image(grainy.read_bytes(), ImageLimits()))
        (tmp_path / "enhanced.png").write_bytes(encode_image(enhanced, "png"))
        ((found, _), (before, _), (expected, _)) = (
            score_files([path], release, faces="whole", enhance=flag)
            for path, flag in ((grainy, True), (grainy, False), (tmp_path / "enhanced.png", False))
        )
        assert (found["fake_probability"], found["verdict"]) == (expected["fake_probability"], expected["verdict"])
        assert found["fake_probability"] != before["fake_probability"]
        for name in ("sharpness", "brightness"):
            assert found[name] == before[name], "of the face as it came"
        assert found["sha256"] == before["sha256"]

    def test_it_is_what_the_evaluation_calls_enhanced(self, grainy, release):
        face = decode_image(grainy.read_bytes(), ImageLimits())
        router = Router.of(release.router, release.enhancer)
        np.testing.assert_array_equal(build_repair("enhancer", release)(face), router.enhance(face[None])[0])

    def test_a_verdict_is_given_by_the_rule_of_enhanced_faces(self, grainy, release):
        never, always = UnsureRule(0.05, (), (NEVER,)), UnsureRule(0.05, (), (0.0,))
        told = replace(release, unsure=never, unsure_enhanced=always)
        verdicts = [next(score_files([grainy], told, faces="whole", enhance=flag))["verdict"] for flag in (False, True)]
        assert verdicts[0] == "unsure" and verdicts[1] in ("real", "fake")
        older = replace(release, unsure=never)
        assert next(score_files([grainy], older, faces="whole", enhance=True))["verdict"] == "unsure"

    def test_rows_do_not_depend_on_the_number_of_workers(self, grainy, release, monkeypatch):
        monkeypatch.setattr(score, "worth_workers", lambda seconds: True)
        (grainy.parent / "again.png").write_bytes(grainy.read_bytes())
        one, two = (list(score_files([grainy.parent], release, workers=n, enhance=True)) for n in (1, 2))
        assert one == two

    def test_a_release_without_an_enhancer_is_refused_before_any_work(self, grainy, release):
        with pytest.raises(UserError, match="holds no enhancer"):
            score_files([grainy], replace(release, enhancer=None), enhance=True)


def test_a_release_of_given_boxes_says_what_finds_faces(folder, release, caplog):
    faces = release.geometry.faces.model_copy(update={"detector": GivenParams()})
    given = replace(release, geometry=release.geometry.model_copy(update={"faces": faces}))
    with caplog.at_level("INFO"):
        list(score_files([folder / "b.png"], given))
    assert "trained on the boxes of its dataset; faces are found by mtcnn" in caplog.text
