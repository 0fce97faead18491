"""Kill a run of the tiny set 20 times at random moments, let it end, and compare with an undisturbed one."""

from __future__ import annotations

import argparse
import os
import tempfile
from itertools import count
from pathlib import Path

from tests.pipelines.conftest import Project
from tests.pipelines.killing import finish, kill_at_random


def main() -> None:
    """Print how many runs were killed and how many files differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        numbers = count()
        undisturbed = Project(Path(folder, "undisturbed"))
        finish(undisturbed)
        disturbed = kill_at_random(lambda: Project(Path(folder, f"{next(numbers)}")), options.kills, options.seed)
        finish(disturbed)
        first, second = undisturbed.bytes_of_outputs(), disturbed.bytes_of_outputs()
        differing = [name for name in first.keys() | second.keys() if first.get(name) != second.get(name)]
        print(f"{options.kills} runs killed; {len(first)} files, {len(differing)} differ {differing[:5]}")
        if differing:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
