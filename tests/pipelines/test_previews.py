"""What kedro-viz shows of every dataset: something short, whole, and serialisable."""

import base64
import json
import typing

import cv2
import numpy as np
import plotly.graph_objects as go
import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from deepfake_pipeline.pipeline_registry import register_pipelines
from tests.pipelines.conftest import Project

DATASETS = sorted(
    {name for pipeline in register_pipelines().values() for name in pipeline.datasets() if not name.startswith("param")}
)
# in memory, or what a run keeps for itself
NOTHING_TO_SHOW = {"card_data", "card_networks", "checkpoints", "downloads", "rounded_candidate"}


def catalog_of(project):
    bootstrap_project(project.root)
    with KedroSession.create(project_path=project.root, env="tiny") as session:
        return session.load_context().catalog


@pytest.fixture(scope="module")
def catalog(finished, tmp_path_factory):
    """Of a project in which every pipeline has run."""
    project = Project(tmp_path_factory.mktemp("previewed") / "project", like=finished)
    project.run("release", "scoring", "enhancement_study")
    return catalog_of(project)


@pytest.mark.parametrize("name", DATASETS)
def test_it_is_what_its_kind_promises(catalog, name):
    dataset = catalog.get(name)
    assert hasattr(dataset, "preview") == (name not in NOTHING_TO_SHOW)
    if name in NOTHING_TO_SHOW:
        return
    assert dataset.exists()
    preview = dataset.preview()
    json.dumps(preview, allow_nan=False)
    CHECKS[typing.get_type_hints(dataset.preview)["return"].__name__](preview)


def is_a_short_table(preview):
    assert len(preview["data"]) == len(preview["index"]) <= 20
    assert all(len(row) == len(preview["columns"]) for row in preview["data"])
    assert all(len(str(cell)) < 400 for row in preview["data"] for cell in row)


def is_a_picture(preview):
    data = np.frombuffer(base64.b64decode(preview, validate=True), np.uint8)
    assert cv2.imdecode(data, cv2.IMREAD_COLOR).std() > 5
    assert len(data) < 5_000_000


def is_a_document(preview):
    assert json.loads(preview)


def is_a_page(preview):
    assert preview.lstrip().startswith("<")


def is_a_figure(preview):
    assert go.Figure(preview).data


CHECKS = {
    "TablePreview": is_a_short_table,
    "ImagePreview": is_a_picture,
    "JSONPreview": is_a_document,
    "HTMLPreview": is_a_page,
    "PlotlyPreview": is_a_figure,
}


def test_before_the_first_release_there_is_no_champion_and_the_packaged_release_is_shown(make_project):
    catalog = catalog_of(make_project())
    assert json.loads(catalog.get("champion").preview()) is None
    assert json.loads(catalog.get("evaluation_records").preview()) is None
    assert json.loads(catalog.get("release").preview())["name"].startswith("packaged")
