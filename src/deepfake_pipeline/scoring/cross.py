"""Trained on one source, tested on another: AUROC of releases on packed test faces, as one matrix."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from deepfake_pipeline.metrics.classification import auroc
from deepfake_pipeline.metrics.intervals import Interval, cluster_bootstrap
from deepfake_pipeline.models.run import DetectorRunner
from deepfake_pipeline.scoring.release import Release
from deepfake_pipeline.tables.packed import PackedFaces

Matrix = dict[str, dict[str, Interval]]

FACES_AT_ONCE = 256


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
