"""The stages of DVC follow from graph, catalog, parameters and imports."""

import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from deepfake_pipeline.cli import cli
from deepfake_pipeline.lineage import lineage_file, render_lineage
from deepfake_pipeline.pipeline_registry import STAGES, register_pipelines

ROOT = Path(__file__).parents[1]
WRITTEN = ["base", *sorted(file.parent.name for file in (ROOT / "lineage").glob("*/dvc.yaml"))]


@pytest.fixture(scope="module")
def stages():
    return yaml.safe_load(render_lineage(ROOT, "base"))["stages"]


@pytest.mark.parametrize("env", WRITTEN)
def test_the_files_in_the_repository_are_up_to_date(env):
    assert lineage_file(ROOT, env).read_text() == render_lineage(ROOT, env)


def test_one_stage_a_pipeline(stages):
    assert list(stages) == list(STAGES)
    for name, stage in stages.items():
        assert stage["cmd"] == f"kedro run --env base --pipelines {name}"
        assert "constraints.txt" in stage["deps"]
        assert f"src/deepfake_pipeline/pipelines/{name}" in stage["deps"]


def products(stage):
    entries = [entry for kind in ("outs", "metrics", "plots") for entry in stage.get(kind, [])]
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def test_what_a_stage_reads_was_written_by_a_stage_before_it(stages):
    made = set()
    for name, stage in stages.items():
        data = {dep for dep in stage["deps"] if dep.startswith("data/")}
        assert data <= made, name
        assert not made & set(products(stage)), name
        made |= set(products(stage))
    assert len(made) == len([out for stage in stages.values() for out in products(stage)])


def test_a_stage_depends_on_no_other_pipeline_and_on_no_room_that_it_does_not_import(stages):
    for name, stage in stages.items():
        code = {dep.removeprefix("src/deepfake_pipeline/") for dep in stage["deps"] if dep.startswith("src/")}
        assert {dep for dep in code if dep.startswith("pipelines/")} <= {
            f"pipelines/{name}",
            "pipelines/calibration_faces.py",
            "pipelines/compute.py",
            "pipelines/training_params.py",
        }
        assert all((ROOT / "src/deepfake_pipeline" / dep).exists() for dep in code)
    rooms = {
        name: {dep.split("/")[2] for dep in stage["deps"] if dep.startswith("src/")} for name, stage in stages.items()
    }
    assert not {"training", "scoring", "reporting", "models", "degrade"} & rooms["ingestion"]
    assert not {"training", "scoring", "reporting"} & rooms["degradation"]
    assert {"training", "models", "reporting", "scoring"} <= rooms["detector_training"]
    assert "forge" not in rooms["enhancer_training"]
    assert not {"web", "cli.py"} & set.union(*rooms.values())


def test_parameters_are_the_groups_that_the_nodes_read(stages):
    pipelines = register_pipelines()
    for name, stage in stages.items():
        keys = {key.split(".")[0] for file in stage["params"] for entry in file.values() for key in entry}
        read = {entry.removeprefix("params:") for entry in pipelines[name].inputs() if entry.startswith("params:")}
        assert keys == read


def test_who_goes_on_from_a_packaged_network_depends_on_it(stages):
    packaged = {name: [dep for dep in stage["deps"] if "releases/" in dep] for name, stage in stages.items()}
    assert {name: [Path(dep).stem for dep in deps] for name, deps in packaged.items() if deps} == {
        "enhancer_training": ["enhancer"],
        "restoration": ["router"],
    }
    assert "releases/" not in render_lineage(ROOT, "dfdc_faces"), "the packaged release comes from there"


def test_the_number_of_workers_makes_nothing_stale(stages):
    keys = {key for stage in stages.values() for file in stage["params"] for entry in file.values() for key in entry}
    assert "compute.seed" in keys
    assert not {"compute", "compute.workers", "compute.loader_workers"} & keys


def test_an_overlay_writes_and_reads_in_its_own_place():
    overlay = yaml.safe_load(render_lineage(ROOT, "dfdc_faces"))["stages"]
    for name, stage in overlay.items():
        assert stage["cmd"] == f"kedro run --env dfdc_faces --pipelines {name}"
        assert stage["wdir"] == "../.."
        assert all(path.startswith("data/dfdc_faces/") for path in products(stage))
        files = {file for entry in stage["params"] for file in entry}
        assert "conf/dfdc_faces/parameters.yml" in files or name == "degradation"


@pytest.fixture
def project(tmp_path):
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    (tmp_path / "src").symlink_to(ROOT / "src")

    class Metadata:
        project_path = tmp_path

    return Metadata


def run(project, *arguments):
    return CliRunner().invoke(cli, ["dvc-yaml", *arguments], obj=project)


def test_the_command_writes_checks_and_refuses_what_is_stale(project):
    assert "stale" in run(project, "--check").stderr
    assert run(project).exit_code == 0
    assert run(project, "--check").exit_code == 0
    file = project.project_path / "conf/base/catalog_degradation.yml"
    file.write_text(file.read_text().replace("04_feature/degraded", "04_feature/recipes"))
    result = run(project, "--check")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == ["error: dvc.yaml is stale: run `kedro dvc-yaml` and commit it"]


def test_media_inside_the_project_are_a_dependency(project):
    file = project.project_path / "conf/folders/parameters.yml"
    parameters = yaml.safe_load(file.read_text())
    parameters["study"]["uri"] = "data/folders/01_raw/mine.zip"
    file.write_text(yaml.safe_dump(parameters))
    stages = yaml.safe_load(render_lineage(project.project_path, "folders"))["stages"]
    assert "data/folders/01_raw/mine.zip" in stages["ingestion"]["deps"]
    assert "data/folders/01_raw/mine.zip" not in stages["face_extraction"]["deps"]
