"""What MLflow remembers of a run: parameters, figures, models, and what the run was made of."""

from __future__ import annotations

import logging
import os
import subprocess
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

import mlflow
import psutil
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from pydantic import BaseModel

with warnings.catch_warnings(record=True):  # it warns about a class of its own when it is loaded
    from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook

for _name in ("kedro_mlflow", "mlflow.system_metrics", "mlflow.pyfunc", "mlflow.store"):
    logging.getLogger(_name).setLevel(logging.WARNING)  # they set their own levels when they are loaded
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

PARENT_RUN = "DEEPFAKE_PARENT_RUN"
"""Environment variable with the id of the run that the runs of `make repro` belong to."""

_PACKAGES = ("deepfake-pipeline", "kedro", "mlflow", "numpy", "opencv-python-headless", "pyarrow", "torch")
_FOLDERS = {"figure": "figures", "network": "models"}


class TrackingHooks(MlflowHook):  # type: ignore[misc]
    """kedro-mlflow's hook, with nested runs and with what the catalog marks under ``metadata.mlflow``.

    One run for each ``kedro run``; in it one for each stage, where there are several; in that one for each network
    that is trained. Parameters and the summary stand in the outermost one, the rest where it was made.
    """

    @hook_impl
    def after_catalog_created(self, catalog: DataCatalog) -> None:
        self._catalog = catalog

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        mlflow.enable_system_metrics_logging()
        super().before_pipeline_run(run_params, pipeline, catalog)
        self._nested: dict[tuple[str, ...], str] = {}
        self._staged = len({node.namespace for node in pipeline.nodes}) > 1
        if not self._is_mlflow_enabled:
            return
        mlflow.set_tags(_origin(catalog))
        for name in sorted(pipeline.inputs()):
            if _marks(catalog, name).get("as") == "data" and catalog.exists(name):
                self._log_data(name, catalog.get(name))

    @hook_impl
    def before_node_run(self, node: Node, catalog: DataCatalog, inputs: dict[str, Any], is_async: bool) -> None:
        if not self._is_mlflow_enabled:
            return
        self._enter(())
        plain = {
            name: value.model_dump(mode="json") if isinstance(value, BaseModel) else value
            for name, value in inputs.items()
            if name != "parameters"  # all groups at once, each of which is logged where it is read
        }
        super().before_node_run(node, catalog, plain, is_async)
        stage = (node.namespace,) if self._staged and node.namespace else ()
        trains = any(_marks(catalog, name).get("as") == "network" for name in node.outputs)
        self._enter((*stage, node.short_name) if trains else stage)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        if not self._is_mlflow_enabled:
            return
        dataset: Any = self._catalog.get(dataset_name)
        kind = _marks(self._catalog, dataset_name).get("as")
        if kind == "summary":
            self._log_summary(data)
        elif kind == "metrics":
            mlflow.log_metrics(_numbers(data, dataset_name))
        elif kind == "history":
            _log_history(dataset_name.removesuffix("_history"), data)
        elif kind == "data":
            self._log_data(dataset_name, dataset)
        elif kind == "release":
            _log_release(dataset_name, dataset.path, _marks(self._catalog, dataset_name).get("register"))
        elif kind:
            mlflow.log_artifact(str(dataset.path), _FOLDERS.get(kind))

    @hook_impl
    def after_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        if self._is_mlflow_enabled:
            self._enter(())
        super().after_pipeline_run(run_params, pipeline, catalog)

    @hook_impl
    def on_pipeline_error(
        self, error: Exception, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        if getattr(self, "_is_mlflow_enabled", False):
            self._enter((), status="FAILED")
        super().on_pipeline_error(error, run_params, pipeline, catalog)

    def _enter(self, path: tuple[str, ...], status: str = "FINISHED") -> None:
        """Make a nested run the active one, opened before or new; the empty path is the run itself."""
        while (active := mlflow.active_run()) and active.info.run_id != self.run_id:
            mlflow.end_run(status)
        for depth in range(1, len(path) + 1):
            at = path[:depth]
            known = self._nested.get(at)
            run = mlflow.start_run(known, run_name=None if known else at[-1], nested=True, log_system_metrics=False)
            self._nested[at] = run.info.run_id

    def _log_summary(self, figures: dict[str, float | None]) -> None:
        client = mlflow.MlflowClient()
        for run in filter(None, (self.run_id, os.environ.get(PARENT_RUN))):
            for name, value in _numbers(figures, "").items():
                client.log_metric(run, name.removeprefix("/"), value)

    def _log_data(self, name: str, dataset: Any) -> None:
        from mlflow.data.dataset_source_registry import resolve_dataset_source
        from mlflow.data.filesystem_dataset_source import FileSystemDatasetSource
        from mlflow.data.meta_dataset import MetaDataset

        digest = dataset.sha256()
        mlflow.MlflowClient().set_tag(self.run_id, f"sha256.{name}", digest)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow registers the one class for local files twice, and says so
            source = resolve_dataset_source(str(Path(dataset.path).resolve()), [FileSystemDatasetSource])
        mlflow.log_input(MetaDataset(source, name=name, digest=digest[:32]))


def open_parent(project: Path, name: str, tracking_uri: str, experiment: str) -> str:
    """Open a run that others belong to; its id goes into :data:`PARENT_RUN`.

    Returns:
        Id of the run. It stays open until :func:`close_parent`.
    """
    client = mlflow.MlflowClient(tracking_uri)
    found = client.get_experiment_by_name(experiment)
    number = found.experiment_id if found else client.create_experiment(experiment)
    return str(client.create_run(number, run_name=name, tags=_git(project)).info.run_id)


def close_parent(run: str, tracking_uri: str, succeeded: bool) -> None:
    """Close what :func:`open_parent` opened."""
    mlflow.MlflowClient(tracking_uri).set_terminated(run, "FINISHED" if succeeded else "FAILED")


def log_seconds(node: str, seconds: float, peak: int) -> None:
    """Note how long a node took and how many bytes of memory it held at most, in the run that is active."""
    if mlflow.active_run():
        name = node.replace(".", "/")
        mlflow.log_metrics({f"seconds/{name}": seconds, f"peak_gigabytes/{name}": peak / 1e9})


def _marks(catalog: DataCatalog, name: str) -> dict[str, Any]:
    marks: dict[str, Any] = (getattr(catalog.get(name), "metadata", None) or {}).get("mlflow", {})
    return marks


def _log_history(network: str, history: list[dict[str, float]]) -> None:
    for row in history:
        figures = {f"{network}/{name}": value for name, value in row.items() if name != "epoch"}
        mlflow.log_metrics(figures, step=int(row["epoch"]))


def _log_release(name: str, folder: Path, registered: str | None) -> None:
    from deepfake_pipeline.pipelines.release.registry import log_release

    log_release(folder, name, registered)


def _numbers(value: Any, prefix: str) -> dict[str, float]:
    """The numbers of nested dictionaries by their paths."""
    if isinstance(value, dict):
        parts = [_numbers(item, f"{prefix}/{key}") for key, item in value.items()]
        return {path: number for part in parts for path, number in part.items()}
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {prefix: float(value)}
    return {}


def _origin(catalog: DataCatalog) -> dict[str, str]:
    """What a run was made of: code, packages, machine, and what it belongs to."""
    import torch

    from deepfake_pipeline.models.run import pick_device

    tags = _git(Path.cwd())
    tags |= {f"version.{name}": metadata.version(name) for name in _PACKAGES}
    tags["cpu.features"] = torch.backends.cpu.get_cpu_capability()
    if "params:compute" in catalog:
        compute = catalog.load("params:compute")
        compute = compute if isinstance(compute, dict) else compute.model_dump()
        tags |= {"seed": str(compute["seed"]), "device": str(pick_device(compute["accelerator"]))}
    if experiment := os.environ.get("DVC_EXP_NAME"):
        tags["dvc.experiment"] = experiment
    if repro := _dvc_process():
        tags["dvc.repro"] = repro
    if parent := os.environ.get(PARENT_RUN):
        tags["mlflow.parentRunId"] = parent
    return tags


def _git(project: Path) -> dict[str, str]:
    """Commit, and whether the tree differs from it; nothing outside of git."""

    def asked(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=project, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return {
            "git.commit": asked("rev-parse", "HEAD"),
            "git.dirty": str(bool(asked("status", "--porcelain"))).lower(),
        }
    except (OSError, subprocess.CalledProcessError):
        return {}


def _dvc_process() -> str | None:
    """The same text for all stages of one ``dvc repro``; None outside of DVC."""
    if "DVC_STAGE" not in os.environ and "DVC_ROOT" not in os.environ:
        return None
    for process in psutil.Process().parents():
        if any(Path(word).name == "dvc" for word in process.cmdline()[:3]):
            return f"{process.pid}@{process.create_time():.0f}"
    return None
