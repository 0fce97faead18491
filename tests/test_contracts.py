"""Catalog, parameters and graph agree with one another."""

from pathlib import Path

import pytest
import yaml
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog

from deepfake_pipeline.lineage import render_lineage
from deepfake_pipeline.pipeline_registry import ON_DEMAND, STAGES, register_pipelines
from deepfake_pipeline.pipelines.parameters import GROUPS, check_parameters
from deepfake_pipeline.settings import CONFIG_LOADER_ARGS

ROOT = Path(__file__).parents[1]
OVERLAYS = sorted(folder.name for folder in (ROOT / "conf").iterdir() if folder.is_dir() and folder.name != "local")


@pytest.fixture(scope="module")
def loader():
    return OmegaConfigLoader(str(ROOT / "conf"), env="base", **CONFIG_LOADER_ARGS)


@pytest.fixture(scope="module")
def everything():
    return sum(register_pipelines().values(), start=next(iter(register_pipelines().values())))


@pytest.fixture(scope="module")
def datasets(everything):
    return {name for name in everything.datasets() if not name.startswith("params:") and name != "parameters"}


def test_every_dataset_is_declared_with_a_layer(loader, datasets):
    catalog = DataCatalog.from_config(loader["catalog"])
    for name in datasets:
        assert name in catalog, f"{name} is in no catalog file"
        assert catalog.get(name).metadata["kedro-viz"]["layer"], name


def test_every_catalog_entry_is_used(loader, datasets):
    entries = loader["catalog"]
    catalog = DataCatalog.from_config(entries)
    plain = {name for name in entries if "{" not in name}
    assert plain <= datasets
    matched = {catalog.config_resolver.match_dataset_pattern(name) for name in datasets - plain}
    assert matched == {name for name in entries if "{" in name}


def test_every_group_of_parameters_is_read_and_every_one_read_exists(loader, everything):
    read = {name.removeprefix("params:") for name in everything.inputs() if name.startswith("params:")}
    assert read == set(loader["parameters"]) == set(GROUPS)


@pytest.mark.parametrize("group", GROUPS)
def test_the_files_say_every_key_and_no_other(loader, group):
    written = set(loader["parameters"][group])
    known = set(GROUPS[group].model_fields)
    assert written <= known
    if group not in ("study", "ingestion", "face_extraction"):  # whose further keys only some sources need
        assert written == known


@pytest.mark.parametrize("env", OVERLAYS)
def test_every_overlay_is_valid_and_writes_to_a_place_of_its_own(env):
    loader = OmegaConfigLoader(str(ROOT / "conf"), env=env, **CONFIG_LOADER_ARGS)
    check_parameters(loader["parameters"])
    places = (
        {"dataset": "rendered", "data_root": "data"} if env == "base" else {"dataset": env, "data_root": f"data/{env}"}
    )
    assert dict(loader["globals"]) == places


def test_the_default_run_is_all_stages_and_nothing_on_demand():
    pipelines = register_pipelines()
    nodes = {node.name for node in pipelines["__default__"].nodes}
    assert nodes == {node.name for name in STAGES for node in pipelines[name].nodes}
    assert not nodes & {node.name for name in ON_DEMAND for node in pipelines[name].nodes}


def test_no_output_of_dvc_is_versioned(loader):
    versioned = {entry["filepath"] for entry in loader["catalog"].values() if entry.get("versioned")}
    assert versioned
    stages = yaml.safe_load(render_lineage(ROOT, "base"))["stages"].values()
    kinds = ("outs", "metrics", "plots")
    paths = [entry for stage in stages for kind in kinds for entry in stage.get(kind, [])]
    outs = {path if isinstance(path, str) else next(iter(path)) for path in paths}
    assert not outs & versioned
    assert not any(out.startswith(f"{place}/") for out in outs for place in versioned)
