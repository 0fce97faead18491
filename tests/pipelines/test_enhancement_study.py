"""The study on the tiny set: two degradations at two severities, one small detector and its control."""

import json

import pytest

from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.stream import ParquetTable
from tests.pipelines.conftest import Project

PRODUCTS = ("06_models/study", "07_model_output/enhancement_study", "08_reporting/enhancement_study")


@pytest.fixture(scope="module")
def studied(finished, tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("studied") / "project", like=finished)
    project.run("enhancement_study")
    return project


def products_of(project):
    outputs = project.bytes_of_outputs()
    return {path: data for path, data in outputs.items() if path.startswith(PRODUCTS)}


def test_every_cell_is_there(studied):
    scores = ParquetTable(studied.root / "data/07_model_output/enhancement_study").read()
    conditions = set(scores[["degradation", "severity"]].itertuples(index=False, name=None))
    assert conditions == {("clean", 0), *((name, step) for name in ("gaussian_blur", "jpeg") for step in (2, 4))}
    assert set(scores.repair) == {"none", "best_classical", "enhancer", "router", "joint"}
    assert set(scores.training) == {"plain", "control"}
    faces = scores.face_id.nunique()
    assert len(scores) == 5 * 5 * 2 * faces
    figures = json.loads((studied.root / "data/08_reporting/enhancement_study.json").read_text())
    assert len(figures["cells"]) == 5 * 5 * 2
    assert set(figures["headline"]["by_training"]) == {"plain", "control"}


def test_the_page_opens_with_the_answer(studied):
    page = (studied.root / "data/08_reporting/enhancement_study.html").read_text()
    opening = page[page.index("<body>") : page.index("<h2>")]
    assert "repairing a degraded face first" in opening
    assert "raining the detector with degraded faces" in opening
    assert page.count("data:image/png;base64,") == 2


def test_scored_again_by_more_workers_the_bytes_are_the_same(studied, tmp_path):
    before = products_of(studied)
    again = Project(tmp_path / "again", like=studied)
    for folder in (again.root / "data/.checkpoints/training").glob("study-*"):
        for file in folder.glob("*.parquet"):
            file.unlink()
    again.run("enhancement_study", params={"compute": {"workers": 2}})
    assert products_of(again) == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"detectors": ["vgg"]}, "enhancement_study: unknown detector vgg"),
        ({"degradations": ["fog"]}, "enhancement_study: unknown degradation fog"),
        ({"severities": [6]}, "severities are whole numbers from 1 to 5"),
        ({"seeds": [1, 1]}, "each may be given once"),
        ({"slow_repairs": ["magic"]}, "unknown repair magic"),
        ({"slow_repairs": ["none"]}, "unknown repair none"),
        ({"training": {"epochs": 1}}, "unknown setting epochs"),
        ({"joint_training": {"detection_weight": -1}}, "detection_weight is -1"),
        ({"control_share": 0}, "enhancement_study.control_share"),
    ],
)
def test_wrong_parameters_stop_it_before_any_work(make_project, given, message):
    with pytest.raises(UserError, match=message):
        make_project().run("enhancement_study", params={"enhancement_study": given})
