"""What happens around a run: checks before any work, a clock, and a last word."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from deepfake_pipeline.engine import tune_malloc, use_threads
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tracking import log_seconds

logger = logging.getLogger(__name__)

_LEAST_FREE_BYTES = 1 << 30


class ProjectHooks:
    """Refuses a run that cannot succeed, before it does any work; says how long each node took, and the result."""

    def __init__(self) -> None:
        self._training_on: DataCatalog | None = None
        self._watch: _Watch | None = None  # runs on while the outputs are saved: streams do their work there

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        from deepfake_pipeline.pipelines.parameters import check_parameters  # late: it loads every pipeline

        check_parameters(context.config_loader["parameters"])
        tune_malloc()

    @hook_impl(tryfirst=True)  # before a run is opened at the tracking server
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        for name in sorted(pipeline.datasets()):
            path = getattr(catalog.get(name), "_filepath", None)
            if path is not None and name in pipeline.all_outputs():
                _check_writable(name, Path(str(path)))
        if "media" in pipeline.all_outputs():
            from deepfake_pipeline.pipelines.ingestion.nodes import check_source  # late, likewise

            check_source(*(catalog.load(name) for name in ("params:study", "params:ingestion", "downloads")))
            _check_kept(catalog)
        self._training_on = catalog if "split_counts" in pipeline.all_outputs() else None
        threads = catalog.load("params:compute").threads if "params:compute" in pipeline.inputs() else 1
        use_threads(threads)

    @hook_impl(tryfirst=True)  # while the run of the node before it is the active one
    def before_node_run(self, node: Node) -> None:
        self._stop_watch()
        logger.info("%s ...", node.name)
        self._watch = _Watch(node.name)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        if dataset_name == "manifest" and self._training_on:
            from deepfake_pipeline.media.classes import check_classes  # late, likewise

            check_classes(self._training_on.load("manifest"))  # now, and not after minutes of face extraction

    @hook_impl
    def on_pipeline_error(self) -> None:
        self._stop_watch()

    @hook_impl(tryfirst=True)
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        self._stop_watch()
        if {"report", "metrics"} <= pipeline.all_outputs():
            from deepfake_pipeline.reporting.report import headline_sentences

            for sentence in headline_sentences(catalog.load("metrics")):
                logger.info("%s", sentence)
            logger.info("report: %s", _shown(_path_of(catalog, "report")))
        if {"study_page", "study_metrics"} <= pipeline.all_outputs():
            from deepfake_pipeline.reporting.study_words import answer

            for sentence in answer(catalog.load("study_metrics")):
                logger.info("%s", sentence)
            logger.info("study: %s", _shown(_path_of(catalog, "study_page")))

    def _stop_watch(self) -> None:
        if self._watch is None:
            return
        name, (seconds, peak) = self._watch.name, self._watch.stop()
        self._watch = None
        level = logging.INFO if seconds >= 1 else logging.DEBUG
        logger.log(level, "%s took %.1f s, %.2f GB at most", name, seconds, peak / 1e9)
        log_seconds(name, seconds, peak)


def _path_of(catalog: DataCatalog, name: str) -> Path:
    dataset: Any = catalog.get(name)
    return Path(dataset.path)


def _check_writable(name: str, path: Path) -> None:
    """Stop before any work where an output could not be written.

    Raises:
        UserError: the folder cannot be written, or its disk is nearly full.
    """
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UserError(f"cannot write {name} to {_shown(path)}: {_shown(folder)} is no folder that may be written")
    if shutil.disk_usage(folder).free < _LEAST_FREE_BYTES:
        raise UserError(f"less than 1 GB is free for {_shown(path)}: free some space or move data_root in globals.yml")


def _check_kept(catalog: DataCatalog) -> None:
    """Stop where a run would write over the earlier manifest that it is to be compared with.

    Raises:
        UserError: the earlier manifest is an output of this run.
    """
    kept = catalog.load("params:ingestion").earlier_manifest
    if kept and Path(kept).expanduser().resolve() == _path_of(catalog, "manifest").resolve():
        raise UserError(f"ingestion.earlier_manifest: this run writes to {kept}; copy it elsewhere and name the copy")


def _shown(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


class _Watch:
    """Wall time and the largest memory of this process and its children, looked at twice a second."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.started = time.monotonic()
        self.peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> tuple[float, int]:
        """Seconds, and bytes."""
        self._done.set()
        self._thread.join()
        return time.monotonic() - self.started, self.peak

    def _look(self) -> None:
        own = psutil.Process()
        while True:
            used = 0
            for process in [own, *own.children(recursive=True)]:
                try:
                    used += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.peak = max(self.peak, used)
            if self._done.wait(0.5):
                return
