"""``kedro compare-run`` as a user calls it."""

import json

import pytest
from click.testing import CliRunner

from deepfake_pipeline.cli import cli
from tests.reporting.runs import metrics, write_json, write_run


@pytest.fixture
def runs(tmp_path):
    return write_run(tmp_path / "a"), write_run(tmp_path / "b" / "data")


def compare(*arguments):
    return CliRunner().invoke(cli, ["compare-run", *map(str, arguments)])


def test_equal_runs_give_status_zero(runs):
    result = compare(runs[0], runs[1].parent)
    assert result.exit_code == 0
    assert result.output == "6 the same byte for byte\n"


def test_the_tolerance_decides_the_status(runs):
    write_json(runs[1] / "08_reporting/metrics.json", {**metrics(), "far": 1e6 + 0.5})
    close = compare(*runs)
    assert close.exit_code == 0
    assert close.output.splitlines()[-1] == "5 the same byte for byte, 1 equal within 1e-06"
    assert compare(*runs, "--tolerance", "1e-9").exit_code == 1


def test_json_has_every_dataset(runs):
    (runs[1] / "08_reporting/metrics.json").unlink()
    result = compare(*runs, "--json")
    assert result.exit_code == 1
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(found) == 6
    assert {"path": "08_reporting/metrics.json", "status": "only A", "details": []} in found


def test_a_damaged_file_is_one_line_and_status_one(runs):
    (runs[1] / "06_models/detector.safetensors").write_bytes(b"damaged")
    result = compare(*runs)
    assert result.exit_code == 1
    assert "detector.safetensors cannot be read" in result.output
    assert result.output.count("\n") == 3


@pytest.mark.parametrize(("name", "message"), [("absent", "is no folder"), ("empty", "no data root at")])
def test_mistakes_get_one_line(runs, tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    result = compare(runs[0], tmp_path / name)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
