"""Trained on one source, tested on another: AUROC of releases on packed test faces, as one matrix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from deepfake_pipeline.metrics.classification import auroc
from deepfake_pipeline.metrics.intervals import Interval, cluster_bootstrap
from deepfake_pipeline.models.run import DetectorRunner
from deepfake_pipeline.scoring.release import Release, read_release
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.packed import PackedFaces, open_packed

Matrix = dict[str, dict[str, Interval]]

FACES_AT_ONCE = 256


class Runs(NamedTuple):
    """What finished runs left: by the name of each one's data set, its candidate and its test faces."""

    releases: dict[str, Release]
    tests: dict[str, PackedFaces]


def read_runs(roots: Iterable[Path]) -> Runs:
    """Read candidates and test faces of finished runs.

    Args:
        roots: data roots, the folders that hold 01_raw … 08_reporting.

    Raises:
        UserError: no finished run there, or two runs are of one data set.
    """
    runs = Runs({}, {})
    for root in roots:
        release = read_release(root / "06_models" / "candidate")
        name = str(release.card["trained_on"])
        if name in runs.releases:
            raise UserError(f"{root}: a run of '{name}' was given before; give one run of each data set")
        runs.releases[name] = release
        runs.tests[name] = open_packed(root / "05_model_input" / "test")
    return runs


def cross_dataset(
    releases: Mapping[str, Release], tests: Mapping[str, PackedFaces], accelerator: str = "auto", **options: Any
) -> Matrix:
    """AUROC, with an interval by group, of each release on each set of faces.

    The crops are taken as they are: sets that were cut in another way than a release's own (``release.geometry``) are
    judged as such, which is part of what a change of source does.

    Args:
        releases: by the name of what they were trained on.
        tests: faces of test splits, by the name of their source.
        accelerator: auto, cpu or cuda.
        **options: of :func:`metrics.intervals.cluster_bootstrap`.

    Returns:
        By release, then by set.
    """
    matrix: Matrix = {}
    for trained, release in releases.items():
        judge = DetectorRunner(release.detector, accelerator)
        matrix[trained] = {}
        for tested, faces in tests.items():
            starts = range(0, len(faces), FACES_AT_ONCE)
            logits = np.concatenate([judge.judge(faces.images[at : at + FACES_AT_ONCE]).logit for at in starts])
            bootstrap = cluster_bootstrap(partial(auroc, faces.labels, logits), faces.groups, **options)
            matrix[trained][tested] = bootstrap.interval()
    return matrix


def lines(matrix: Matrix) -> list[str]:
    """The matrix as text: a row a release, a column a set of faces."""
    columns = list(next(iter(matrix.values()), {}))
    width = max([len("trained on"), *(len(name) for name in matrix)])
    shown = [f"{'trained on':{width}}  " + "  ".join(f"{name:>21}" for name in columns)]
    for trained, row in matrix.items():
        cells = [f"{cell.value:.3f} ({cell.low:.3f} to {cell.high:.3f})" for cell in row.values()]
        shown.append(f"{trained:{width}}  " + "  ".join(f"{cell:>21}" for cell in cells))
    return shown
