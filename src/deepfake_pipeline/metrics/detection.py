"""Every figure of a detector at once, and each with its interval: what an evaluation reports."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepfake_pipeline.metrics import calibration, classification
from deepfake_pipeline.metrics.classification import Floats
from deepfake_pipeline.metrics.intervals import RESAMPLES, Bootstrap, Method, cluster_bootstrap

DETECTION_METRICS = (
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "auroc",
    "average_precision",
    "eer",
    "log_loss",
    "brier",
    "ece",
)
"""Names of the figures, in the order of reports."""

CONFUSION_CELLS = classification.Confusion._fields
"""Names of the cells of the confusion matrix: tn, fp, fn, tp."""


def detection_metrics(
    labels: ArrayLike,
    fake_probability: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    threshold: float = 0.5,
    bins: int = calibration.BINS,
) -> dict[str, Floats]:
    """The figures of ``DETECTION_METRICS`` and ``CONFUSION_CELLS`` by name, from one sort of the faces.

    Shapes, ranges and ``nan`` are those of :mod:`deepfake_pipeline.metrics.classification`.

    >>> figures = detection_metrics([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9])
    >>> float(figures["auroc"]), float(figures["accuracy"]), float(figures["tp"])
    (0.75, 0.5, 1.0)
    """
    cells = classification.confusion(labels, fake_probability, weights, threshold=threshold)
    steps = classification.ranked(labels, fake_probability, weights)
    return {
        **classification.confusion_rates(cells),
        "auroc": classification.auroc_of(steps),
        "average_precision": classification.average_precision_of(steps),
        "eer": classification.eer_of(steps),
        "log_loss": classification.log_loss(labels, fake_probability, weights),
        "brier": classification.brier(labels, fake_probability, weights),
        "ece": calibration.ece(labels, fake_probability, weights, bins=bins),
        **cells._asdict(),
    }


def detection_bootstrap(
    labels: ArrayLike,
    fake_probability: ArrayLike,
    groups: NDArray[Any] | list[Any],
    *,
    threshold: float = 0.5,
    bins: int = calibration.BINS,
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = 0.95,
    method: Method = "bca",
) -> dict[str, Bootstrap]:
    """:func:`detection_metrics` with clustered bootstraps: ``result["auroc"].interval()``, ``.dropped``.

    All figures come from the same resamples. ``ece_debiased`` is added: ECE less its bootstrap bias. Arguments are
    those of :func:`deepfake_pipeline.metrics.intervals.cluster_bootstrap`.
    """
    names = (*DETECTION_METRICS, *CONFUSION_CELLS)
    figures = partial(detection_metrics, labels, fake_probability, threshold=threshold, bins=bins)

    def statistic(weights: Floats) -> Floats:
        found = figures(weights)
        return np.stack([found[name] for name in names], axis=-1)

    whole = cluster_bootstrap(statistic, groups, resamples=resamples, seed=seed, confidence=confidence, method=method)
    by_name = {name: whole.column(index) for index, name in enumerate(names)}
    return {**by_name, "ece": replace(by_name["ece"], basic=True), "ece_debiased": by_name["ece"].debiased}
