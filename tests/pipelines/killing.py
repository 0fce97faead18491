"""Runs that are killed without warning, and resumed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog

from deepfake_pipeline.pipeline_registry import register_pipelines
from deepfake_pipeline.settings import CONFIG_LOADER_ARGS

FIRST, LAST = 5.0, 15.0  # seconds after the start between which a run of the tiny set is killed


def start(project: Any) -> subprocess.Popen[bytes]:
    """``kedro run --only-missing-outputs`` in a process group of its own."""
    words = ["run", "--env", "tiny", "--only-missing-outputs"]
    with (project.root / "run.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "kedro", *words], cwd=project.root, stdout=log, stderr=log, start_new_session=True
        )


def kill_at_random(make_project: Callable[[], Any], kills: int, seed: int) -> Any:
    """Start a run and kill it, again and again; after each kill, what is on disk must load.

    Returns:
        The project of the last kill, to be finished. Where a run ended before its moment came, a new one was begun.
    """
    rng, project = random.Random(seed), make_project()
    while kills:
        process = start(project)
        try:
            process.wait(rng.uniform(FIRST, LAST))
            assert process.returncode == 0, log_of(project)
            project = make_project()
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            load_all(project.root)
            kills -= 1
    return project


def log_of(project: Any) -> str:
    """The end of what its runs have said."""
    said: str = (project.root / "run.log").read_text()[-3000:]
    return said


def finish(project: Any) -> None:
    """Let the run come to its end."""
    status = start(project).wait()
    assert status == 0, log_of(project)


def load_all(root: Path) -> None:
    """Load every output of the default run that exists: a half-written one does not load."""
    before = Path.cwd()
    os.chdir(root)
    try:
        loader = OmegaConfigLoader(str(root / "conf"), env="tiny", **CONFIG_LOADER_ARGS)
        catalog = DataCatalog.from_config(loader["catalog"])
        for name in register_pipelines()["__default__"].all_outputs():
            if catalog.exists(name):
                data = catalog.load(name)
                if hasattr(data, "batches"):
                    sum(batch.num_rows for batch in data.batches())
    finally:
        os.chdir(before)
