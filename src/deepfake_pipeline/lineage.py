"""DVC stages from what Kedro knows: one stage a pipeline, with its data, its code and its parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from deepfake_pipeline.pipeline_registry import STAGES
from deepfake_pipeline.pipelines.compute import CHANGES_NOTHING
from deepfake_pipeline.pipelines.parameters import GROUPS
from deepfake_pipeline.settings import CONFIG_LOADER_ARGS

PACKAGE = "deepfake_pipeline"
BASE = "base"
_HEADER = (
    "# Written by `kedro dvc-yaml{option}` from the graph, the catalog and the imports: change those, not this file.\n"
)
_ENVIRONMENT = "constraints.txt"  # other versions of libraries may give other bytes

Stage = dict[str, Any]


def lineage_file(project: Path, env: str) -> Path:
    """Where the stages of the rendered set (``base``) or of an overlay stand."""
    return project / "dvc.yaml" if env == BASE else project / "lineage" / env / "dvc.yaml"


def render_lineage(project: Path, env: str) -> str:
    """Text of the ``dvc.yaml`` of an overlay, or of the rendered set.

    Args:
        project: root of the project.
        env: name of the overlay, or ``base``.
    """
    loader = OmegaConfigLoader(str(project / "conf"), env=env, **_without_environment())
    catalog = DataCatalog.from_config(loader["catalog"])
    code = _Code(project)
    stages = {}
    for name, module in STAGES.items():
        pipeline = module.create_pipeline()
        stage: Stage = {"cmd": f"kedro run --env {env} --pipelines {name}"}
        if env != BASE:
            stage["wdir"] = "../.."
        datasets = {**_datasets(pipeline.inputs(), catalog), **_datasets(pipeline.all_outputs(), catalog)}
        inputs = [_path(dataset) for dataset in _datasets(pipeline.inputs(), catalog).values()]
        source = [uri] if name == "ingestion" and (uri := _source_in_project(loader["parameters"])) else []
        start = _start(name, loader["parameters"])
        stage["deps"] = sorted([*inputs, *source, *start, *code.of_stage(name, datasets.values()), _ENVIRONMENT])
        stage["params"] = list(_params(project, env, pipeline))
        stages[name] = {**stage, **_products(_datasets(pipeline.all_outputs(), catalog))}
    option = "" if env == BASE else f" --env {env}"
    return _HEADER.format(option=option) + yaml.safe_dump({"stages": stages}, sort_keys=False, width=120)


def _without_environment() -> dict[str, Any]:
    """Loader arguments under which the stages do not depend on this machine's environment variables."""
    resolvers = {**CONFIG_LOADER_ARGS["custom_resolvers"], "oc.env": lambda name, default="": default}  # type: ignore[dict-item]
    return {**CONFIG_LOADER_ARGS, "custom_resolvers": resolvers}


def _datasets(names: Iterable[str], catalog: DataCatalog) -> dict[str, Any]:
    """What lies on disk and belongs to DVC: no parameters, nothing versioned by Kedro or kept outside."""
    found = {name: catalog.get(name) for name in sorted(names) if not name.startswith("params:")}
    return {name: dataset for name, dataset in found.items() if _kind(dataset) != "outside"}


def _kind(dataset: Any) -> str:
    if getattr(dataset, "_version", None) is not None:
        return "outside"
    return str((dataset.metadata or {}).get("dvc", {}).get("as", "out"))


def _path(dataset: Any) -> str:
    return Path(str(dataset._filepath)).as_posix()


def _source_in_project(parameters: dict[str, Any]) -> str:
    """The media themselves, where they lie inside the project (``dvc add`` keeps them there)."""
    uri = str(parameters["study"]["uri"])
    return "" if "://" in uri or Path(uri).is_absolute() else uri


_ROLES = {"enhancer_training": "enhancer", "restoration": "router", "detector_training": "detector"}


def _start(stage: str, parameters: dict[str, Any]) -> list[str]:
    """The network of the packaged release that a training goes on from."""
    packaged = parameters.get(stage, {}).get("start") == "packaged"
    role = _ROLES.get(stage)
    return [f"src/{PACKAGE}/releases/packaged/{role}.safetensors"] if packaged else []


def _products(datasets: dict[str, Any]) -> Stage:
    """Outputs, metrics and plots, as the metadata of the catalog say."""
    products: dict[str, list[Any]] = {"outs": [], "metrics": [], "plots": []}
    for dataset in datasets.values():
        options = dict((dataset.metadata or {}).get("dvc", {}))
        kind = options.pop("as", "out")
        path = _path(dataset)
        products[{"out": "outs", "metric": "metrics", "plot": "plots"}[kind]].append(
            {path: options} if options else path
        )
    return {kind: entries for kind, entries in products.items() if entries}


def _params(project: Path, env: str, pipeline: Pipeline) -> Iterator[dict[str, list[str]]]:
    """The keys that a pipeline reads, file by file; of a group with keys that change no result, only the others."""
    groups = sorted(name.removeprefix("params:") for name in pipeline.inputs() if name.startswith("params:"))
    for folder in dict.fromkeys((BASE, env)):
        for file in sorted((project / "conf" / folder).glob("parameters*.yml")):
            given = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
            keys = [key for group in groups if group in given for key in _keys(group, given[group])]
            if keys:
                yield {file.relative_to(project).as_posix(): keys}


def _keys(group: str, given: dict[str, Any]) -> list[str]:
    fields = GROUPS[group].model_fields
    idle = {name for name, field in fields.items() if CHANGES_NOTHING in field.metadata}
    return [f"{group}.{key}" for key in given if key not in idle] if idle else [group]


class _Code:
    """Which folders and files of the package a stage's results depend on: the import graph, room by room."""

    def __init__(self, project: Path) -> None:
        import grimp

        self._source = project / "src" / PACKAGE
        self._graph = grimp.build_graph(PACKAGE, cache_dir=None)

    def of_stage(self, name: str, datasets: Iterable[Any]) -> set[str]:
        """The pipeline's own folder, and the rooms that it and the datasets of its data import."""
        own = f"{PACKAGE}.pipelines.{name}"
        starts = {type(dataset).__module__ for dataset in datasets}
        modules = starts | self._graph.find_upstream_modules(own, as_package=True)
        for start in starts:
            modules |= self._graph.find_upstream_modules(start)
        return {
            self._place(own),
            *(self._place(module) for module in modules if module.count(".") and self._is_code(module)),
        }

    def _is_code(self, module: str) -> bool:
        """Packages of pipelines hold nothing by themselves."""
        return module != f"{PACKAGE}.pipelines"

    def _place(self, module: str) -> str:
        room, *rest = module.split(".")[1:]
        path = self._source / room
        if room == "pipelines":
            path = path / rest[0]
        elif not path.is_dir():
            path = path.with_suffix(".py")
        path = path if path.exists() else path.with_suffix(".py")
        return path.relative_to(self._source.parents[1]).as_posix()
