"""The commands as a user calls them."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from deepfake_pipeline.cli import cli
from deepfake_pipeline.commands.shared import user_message
from deepfake_pipeline.tables.errors import UserError

ROOT = Path(__file__).parents[1]


class Metadata:
    project_path = ROOT


def score(*arguments, **options):
    return CliRunner().invoke(cli, ["score", *map(str, arguments)], obj=Metadata, **options)


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.jpg"):
        coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / name), cv2.resize(coarse, (200, 220), interpolation=cv2.INTER_CUBIC))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    return folder


def test_a_folder_is_scored_and_bad_files_are_listed(pictures):
    result = score(pictures, "--json", "--faces", "whole")
    assert result.exit_code == 0
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(Path(row["path"]).name, row["level"]) for row in rows] == [
        ("a.png", "face"),
        ("a.png", "file"),
        ("b.jpg", "face"),
        ("b.jpg", "file"),
        ("broken.jpg", "file"),
    ]
    for row, file in (rows[:2], rows[2:4]):
        assert [file[name] for name in ("fake_probability", "verdict")] == [row["fake_probability"], row["verdict"]]
        assert file["face"] is file["crop"] is None
        assert 0 <= row["fake_probability"] <= 1
        assert row["verdict"] in ("real", "fake", "unsure")
        assert row["crop"] == "whole"
        assert len(row["sha256"]) == 64
    assert rows[4]["reason"] == "unreadable"
    assert rows[4]["verdict"] is None
    counts = next(line for line in result.stderr.splitlines() if "not scored" in line)
    assert sum(int(part.split()[0]) for part in counts.split(", ")) == 3  # each file once
    assert {row["release"] for row in rows} == {result.stderr.splitlines()[0].removeprefix("release: ")}


def test_faces_can_be_enhanced_first(pictures):
    plain, enhanced = (
        json.loads(score(pictures / "a.png", "--json", "--faces", "whole", *option).stdout.splitlines()[0])
        for option in ([], ["--enhance"])
    )
    assert plain["fake_probability"] != enhanced["fake_probability"]
    assert plain.keys() == enhanced.keys()


@pytest.mark.parametrize(("option", "hints"), [([], 1), (["--enhance"], 0)])
def test_who_gets_no_verdict_is_told_of_enhancing(pictures, option, hints, monkeypatch):
    from deepfake_pipeline.scoring import release
    from deepfake_pipeline.scoring.conformal import NEVER, UnsureRule

    never = UnsureRule(0.05, (), (NEVER,))
    silent = replace(release.packaged_release(), unsure=never, unsure_enhanced=never)
    monkeypatch.setattr(release, "find_release", lambda *_: silent)
    result = score(pictures, "--faces", "whole", *option)
    assert "2 unsure" in result.stderr
    assert result.stderr.count("with --enhance") == hints


def test_the_table_names_every_file(pictures):
    result = score(pictures, "--faces", "whole")
    assert len(result.stdout.splitlines()) == 4  # a heading, and one line a file that has one face or none
    assert "a.png" in result.stdout
    assert "not scored: unreadable" in result.stdout


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_scores_are_written_whole(pictures, tmp_path, suffix):
    output = tmp_path / f"scores{suffix}"
    assert score(pictures, "--faces", "whole", "--output", output).exit_code == 0
    names = pq.read_table(output).column_names if suffix == ".parquet" else output.read_text().splitlines()[0]
    for column in (
        "path",
        "sha256",
        "level",
        "frame",
        "seconds",
        "track",
        "face",
        "x",
        "y",
        "w",
        "h",
        "crop",
        "fake_probability",
        "verdict",
        "reason",
    ):
        assert column in names
    assert sorted(file.name for file in tmp_path.iterdir()) == ["pictures", output.name]


def test_a_face_sized_picture_without_a_face_is_scored_as_a_whole(pictures):
    row = json.loads(score(pictures / "a.png", "--json").stdout.splitlines()[0])
    assert row["crop"] == "whole"


def test_a_picture_without_a_face_has_no_face(pictures):
    result = score(pictures / "a.png", "--json", "--faces", "detect")
    assert json.loads(result.stdout)["verdict"] == "no_face"
    assert result.exit_code == 1


def test_a_rendered_face_is_found_and_cut_out(tmp_path):
    from deepfake_pipeline.media.render import RenderParams, render_crowd

    picture, truths = render_crowd(1, 2, 240, 320, RenderParams())
    cv2.imwrite(str(tmp_path / "crowd.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    *rows, file = [json.loads(line) for line in score(tmp_path / "crowd.png", "--json").stdout.splitlines()]
    assert file["fake_probability"] == max(row["fake_probability"] for row in rows)
    assert "(whole file)" in score(tmp_path / "crowd.png").stdout.splitlines()[-1]
    assert len(rows) == len(truths) == 2
    assert [row["face"] for row in rows] == [0, 1]
    assert all(row["crop"] != "whole" and row["w"] > 20 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--release", "not/there"], "no release at not/there"),
        (["--output", "scores.xlsx"], "must end in .parquet or .csv"),
        (["--output", "not/there/scores.csv"], "there is no folder not/there"),
    ],
)
def test_mistakes_get_one_line_before_any_work(pictures, arguments, message):
    result = score(pictures, *arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_nothing_scored_is_status_one(tmp_path):
    result = score(tmp_path / "absent.jpg", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["reason"] == "missing"


def test_a_user_error_is_found_under_others():
    try:
        try:
            raise UserError("mend it")
        except UserError as error:
            raise RuntimeError("kedro says") from error
    except RuntimeError as error:
        assert user_message(error) == "mend it"
    assert user_message(RuntimeError("a bug")) is None


def test_kedro_run_shows_one_line_for_a_mistake(tmp_path):
    command = [sys.executable, "-m", "kedro", "run", "--params", "studdy.height=3"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "error: unknown parameter group studdy" in result.stderr
    assert "Traceback" not in result.stderr + result.stdout


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (["--nodes", "report"], "__default__ does not contain nodes named ['report']"),
        (["--from-nodes", "enhancement_study.score_study"], "try --pipelines enhancement_study"),
        (["--to-outputs", "reprot"], "does not contain datasets named ['reprot']"),
        (["--tags", "none"], "contains no nodes after applying all provided filters"),
    ],
)
def test_kedro_run_names_what_no_pipeline_has(selection, message):
    result = CliRunner().invoke(cli, ["run", *selection], obj=Metadata)
    assert result.exit_code == 1
    assert message in result.stderr and result.stderr.count("\n") == 1


def test_a_source_is_inspected_and_nothing_is_written(tmp_path):
    rng = np.random.default_rng(0)
    for path in ("Train/Real/a.png", "Train/Fake/b.png", "Test/Real/c.png"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / path), rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    (tmp_path / "Train/Real/empty.png").touch()
    arguments = ["inspect-source", str(tmp_path), "--params", "ingestion.split_policy=official", "--workers", "1"]
    result = CliRunner().invoke(cli, [*arguments, "--json"], obj=Metadata)
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (found["layout"], found["labels"]) == ("folders", {"real": 2, "forged": 1})
    assert found["splits"]["test"] == {"real": 1} and found["reasons"] == {"empty": 1}
    assert "refused: 1 (empty 1)" in CliRunner().invoke(cli, arguments, obj=Metadata).stdout
    wrong = CliRunner().invoke(cli, [*arguments[:2], "--layout", "coco"], obj=Metadata)
    assert wrong.exit_code == 1 and "layout 'coco' is unknown" in wrong.stderr


def test_the_command_line_starts_without_what_only_work_needs():
    code = "import sys, deepfake_pipeline.settings, deepfake_pipeline.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "lightning", "matplotlib", "cv2", "av", "sklearn"} & set(loaded.stdout.split())
