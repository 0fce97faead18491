"""AUROCs of several scores of the same faces, with their covariance, without resampling.

DeLong, DeLong and Clarke-Pearson 1988, by ranks as in Sun and Xu 2014 ("Fast implementation of DeLong's algorithm").
For faces that belong together in groups: Obuchowski 1997 ("Nonparametric analysis of clustered ROC curve data"), which
is DeLong's where every face is its own group.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from deepfake_pipeline.metrics.classification import Floats
from deepfake_pipeline.metrics.intervals import Interval


class Aurocs(NamedTuple):
    """AUROC ``(K,)`` of K scores and their covariance ``(K, K)``; nan where a class has fewer than two groups."""

    value: Floats
    covariance: Floats


class Difference(NamedTuple):
    """A difference of two AUROCs, its interval, and the two-sided p-value of there being none."""

    interval: Interval
    p: float


def delong(labels: ArrayLike, scores: ArrayLike, groups: NDArray[Any] | list[Any] | None = None) -> Aurocs:
    """AUROCs and their covariance.

    Args:
        labels: ``(N,)`` of 0 and 1.
        scores: ``(N,)`` or ``(K, N)``, any finite numbers.
        groups: ``(N,)`` what is independent; None: every face.

    Raises:
        ValueError: shapes that do not fit together.

    >>> float(delong([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.9]).value[0])
    0.875
    """
    truth, score = np.asarray(labels) == 1, np.atleast_2d(np.asarray(scores, np.float64))
    if truth.ndim != 1 or score.shape[1:] != truth.shape:
        raise ValueError(f"labels {truth.shape} and scores {score.shape} must have one column a face")
    _, member = np.unique(np.arange(len(truth)) if groups is None else np.asarray(groups), return_inverse=True)
    forged, real = int(truth.sum()), int((~truth).sum())
    undefined = np.full(len(score), np.nan)
    if not forged or not real:
        return Aurocs(undefined, np.full((len(score), len(score)), np.nan))
    ranks, of_forged, of_real = (rankdata(part, axis=1) for part in (score, score[:, truth], score[:, ~truth]))
    above = (ranks[:, truth] - of_forged) / real  # share of real faces below each forged one, ties counted half
    below = 1 - (ranks[:, ~truth] - of_real) / forged
    value = above.mean(axis=1)
    groups_of = [len(np.unique(member[part])) for part in (truth, ~truth)]
    if min(groups_of) < 2:
        return Aurocs(value, np.full((len(score), len(score)), np.nan))
    count = int(member.max()) + 1
    sums = [
        np.stack([np.bincount(member[part], one, count) for one in values - value[:, None]])
        for part, values in ((truth, above), (~truth, below))
    ]
    x, y = sums
    cross = count / (count - 1) * (x @ y.T)
    own = [
        number / (number - 1) / size**2 * (part @ part.T)
        for part, number, size in zip(sums, groups_of, (forged, real), strict=True)
    ]
    return Aurocs(value, own[0] + own[1] + (cross + cross.T) / (forged * real))


def auroc_difference(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    groups: NDArray[Any] | list[Any] | None = None,
    confidence: float = 0.95,
) -> Difference:
    """AUROC of the first score less that of the second, on the same faces: a paired test.

    The interval and the p-value take the difference for normal. Where its variance is 0 the p-value is 1 if there is
    no difference, and 0 if there is one.
    """
    value, covariance = delong(labels, np.stack([np.asarray(first), np.asarray(second)]), groups)
    change = float(value[0] - value[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if not math.isfinite(variance):
        return Difference(Interval(change, math.nan, math.nan), math.nan)
    error = math.sqrt(max(variance, 0.0))
    reach = float(ndtri((1 + confidence) / 2)) * error
    if error == 0:
        return Difference(Interval(change, change, change), 1.0 if change == 0 else 0.0)
    return Difference(Interval(change, change - reach, change + reach), float(2 * ndtr(-abs(change) / error)))
