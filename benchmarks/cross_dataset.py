"""Cross-dataset matrix: `python -m benchmarks.cross_dataset NAME=DATA …`, each DATA the data root of a finished run.

The candidate of every run judges the packed test faces of every run. AUROC, with 95 % intervals by group.
"""

from __future__ import annotations

import sys
from pathlib import Path

from deepfake_pipeline.engine import tune_malloc, use_threads
from deepfake_pipeline.scoring.cross import cross_dataset, lines
from deepfake_pipeline.scoring.release import read_release
from deepfake_pipeline.tables.packed import open_packed


def main(*named: str) -> None:
    use_threads(1)
    tune_malloc()
    roots = {name: Path(root) for name, _, root in (pair.partition("=") for pair in named)}
    releases = {name: read_release(root / "06_models/candidate") for name, root in roots.items()}
    tests = {name: open_packed(root / "05_model_input/test") for name, root in roots.items()}
    for line in lines(cross_dataset(releases, tests)):
        print(line)


if __name__ == "__main__":
    main(*sys.argv[1:])
