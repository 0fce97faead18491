"""DVC repeats a run stage by stage, and only what is stale."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
import yaml

from deepfake_pipeline.lineage import lineage_file, render_lineage
from deepfake_pipeline.pipeline_registry import STAGES
from tests.pipelines.conftest import ROOT, TINY, Project

BIN = Path(sys.executable).parent
ENVIRONMENT = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}


class Checkout(Project):
    """A project under git and DVC, as a team clones it."""

    def __init__(self, root):
        super().__init__(root)
        shutil.copytree(ROOT / "src", root / "src", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("constraints.txt", ".dvcignore", ".gitignore"):
            shutil.copy(ROOT / name, root)
        file = lineage_file(root, "tiny")
        file.parent.mkdir(parents=True)
        file.write_text(render_lineage(root, "tiny"))
        (root / "data").mkdir()
        self.shell("git init -q && git config user.email a@b.c && git config user.name a && dvc init -q")
        self.shell("git add -A && git commit -qm start")

    def shell(self, command):
        """Run a command in the checkout; its output, or a failed test."""
        done = subprocess.run(
            command,
            check=False,
            shell=True,
            cwd=self.root,
            env={**os.environ, **ENVIRONMENT},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout

    def repro(self):
        """The same as ``make repro``: the stages that ran."""
        return re.findall(
            r"Running stage '(?:.*:)?(\w+)'", self.shell(f"{sys.executable} -m deepfake_pipeline.repro tiny")
        )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return Checkout(tmp_path_factory.mktemp("checkout") / "project")


@pytest.fixture(scope="module")
def repeated(checkout):
    assert checkout.repro() == list(STAGES)
    return checkout


def test_the_bytes_are_those_of_a_plain_run(repeated, finished):
    plain, staged = finished.bytes_of_outputs(), repeated.bytes_of_outputs()
    assert plain.keys() == staged.keys()
    assert [name for name in plain if plain[name] != staged[name]] == []


def test_a_second_time_nothing_runs_and_it_says_so(repeated):
    said = repeated.shell(f"{sys.executable} -m deepfake_pipeline.repro tiny")
    assert said == "lineage/tiny/dvc.yaml: everything is up to date\n"


def test_the_stages_are_runs_of_one_parent(repeated):
    client = mlflow.MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name("deepfake_pipeline").experiment_id
    (parent,) = client.search_runs([experiment], "attributes.run_name = 'repro tiny'")
    children = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    assert {run.info.run_name for run in children} == set(STAGES)
    assert len({run.data.tags["dvc.repro"] for run in children}) == 1
    assert parent.info.status == "FINISHED"
    summary = json.loads((repeated.root / "data/08_reporting/summary.json").read_text())
    assert parent.data.metrics["auroc"] == summary["auroc"]


def test_the_tree_stays_clean(repeated):
    assert repeated.shell("git status --porcelain").split() == ["??", "lineage/tiny/dvc.lock"]


def test_what_was_deleted_comes_back_from_a_remote(repeated, tmp_path):
    before = repeated.bytes_of_outputs()
    repeated.shell(f"dvc remote add -d store {tmp_path / 'store'} && dvc push -q lineage/tiny/dvc.yaml")
    shutil.rmtree(repeated.root / ".dvc/cache")
    for layer in ("01_raw", "03_primary", "05_model_input", "06_models", "07_model_output"):
        shutil.rmtree(repeated.root / "data" / layer)
    repeated.shell("dvc pull -q lineage/tiny/dvc.yaml")
    assert repeated.bytes_of_outputs() == before


def test_one_parameter_reruns_what_depends_on_it(repeated):
    repeated.shell("git add -A && git commit -qm run")
    changed = {**TINY, "detector_training": {**TINY["detector_training"], "network_config": {"image_size": 32}}}
    repeated.overlay("tiny", changed)
    assert repeated.repro() == ["detector_training", "evaluation"]
    metrics = repeated.shell("dvc metrics diff --md")
    assert re.search(r"\| .*summary.json *\| auroc ", metrics)
    params = repeated.shell("dvc params diff --md")
    assert re.search(r"detector_training.network_config.image_size *\| 64 *\| 32", params)


def test_plots_of_two_runs_are_one_page(repeated):
    said = repeated.shell("dvc plots diff HEAD --out plots")
    page = (repeated.root / "plots/index.html").read_text()
    assert said.strip().endswith("index.html")
    assert "detector_history.json" in page
    assert "severity_degraded.png" in page


def test_an_experiment_changes_a_parameter_and_is_shown_beside_the_others(repeated):
    repeated.shell("git add -A && git commit -qm changed")
    file = "conf/tiny/parameters.yml"
    repeated.shell(f"dvc exp run -q -n fewer -S {file}:evaluation.resamples=120 lineage/tiny/dvc.yaml")
    shown = repeated.shell("dvc exp show --csv --only-changed")
    assert "fewer" in shown
    assert f"{file}:evaluation.resamples" in shown
    client = mlflow.MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name("deepfake_pipeline").experiment_id
    (run,) = client.search_runs([experiment], "tags.`dvc.experiment` = 'fewer'")
    assert run.info.run_name == "evaluation"
    assert run.data.params["evaluation.resamples"] == "120"


def test_code_of_another_pipeline_makes_nothing_stale(repeated):
    code = repeated.root / "src/deepfake_pipeline"
    for file in (code / "cli.py", code / "pipelines/scoring/nodes.py", code / "pipelines/release/nodes.py"):
        file.write_text(file.read_text() + "\n# changed\n")
    assert repeated.repro() == []
    assert yaml.safe_load((repeated.root / "lineage/tiny/dvc.lock").read_text())["stages"].keys() == STAGES.keys()
