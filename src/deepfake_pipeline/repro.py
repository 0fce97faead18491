"""``python -m deepfake_pipeline.repro [DATASET]``: ``dvc repro`` whose stages belong to one MLflow run."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

STORE = "sqlite:///mlflow.db"
EXPERIMENT = "deepfake_pipeline"


def main(arguments: list[str] | None = None) -> int:
    """Repeat what is stale; say so where nothing is. Returns the exit status of DVC."""
    parser = argparse.ArgumentParser(prog="python -m deepfake_pipeline.repro", description=__doc__)
    parser.add_argument("dataset", nargs="?", default="", help="an overlay with lineage/DATASET/dvc.yaml")
    dataset = parser.parse_args(arguments).dataset
    stages = Path("lineage", dataset, "dvc.yaml") if dataset else Path("dvc.yaml")
    if not stages.is_file():
        parser.error(f"no {stages}: write it with `kedro dvc-yaml{f' --env {dataset}' if dataset else ''}`")
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }
    dvc = [sys.executable, "-m", "dvc"]
    stale = subprocess.run([*dvc, "status", "--quiet", str(stages)], env=environment, check=False).returncode
    if not stale:
        print(f"{stages}: everything is up to date")  # noqa: T201
        return 0
    from deepfake_pipeline.tracking import PARENT_RUN, close_parent, open_parent

    store = os.environ.get("MLFLOW_TRACKING_URI", STORE)
    run = open_parent(Path.cwd(), f"repro {dataset or 'rendered'}", store, EXPERIMENT)
    status = subprocess.run([*dvc, "repro", str(stages)], env={**environment, PARENT_RUN: run}, check=False).returncode
    close_parent(run, store, succeeded=status == 0)
    return status


if __name__ == "__main__":
    sys.exit(main())
