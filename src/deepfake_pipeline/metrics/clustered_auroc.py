"""AUROC of several scores of the same faces, with their covariance over groups, in closed form.

Obuchowski 1997, "Nonparametric analysis of clustered ROC curve data", extends DeLong, DeLong and Clarke-Pearson 1988:
what each face adds to an AUROC is summed over its group before it is squared, so that faces of one group may
resemble one another. With groups of one it is DeLong's covariance, exactly. A bootstrap over groups
(:mod:`deepfake_pipeline.metrics.intervals`) agrees with it and costs a thousand times more, which matters where
there are hundreds of differences to be tested.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit
from scipy.stats import rankdata

from deepfake_pipeline.metrics.classification import Floats, checked
from deepfake_pipeline.metrics.intervals import Interval


class Contrast(NamedTuple):
    """A weighted sum of AUROCs, its interval, and the p-value of the hypothesis that it is 0.

    ``nan`` where it is not defined: the interval and p-value also where fewer than two groups have a class, and
    where a sum that is not 0 has no variance (every face separated alike), of which nothing can be said.
    """

    interval: Interval
    p_value: float


@dataclass(frozen=True)
class ClusteredAuroc:
    """AUROC of M scores of the same faces.

    Attributes:
        value: (M,); ``nan`` where a class has no face.
        covariance: (M, M) over draws of groups; ``nan`` where fewer than two groups have a class.
        groups: the smaller of the numbers of groups with real and with forged faces.
    """

    value: Floats
    covariance: NDArray[np.float64]
    groups: int

    def contrast(self, weights: ArrayLike, confidence: float = 0.95) -> Contrast:
        """The sum of the AUROCs, each times its weight.

        Quantiles are those of Student's t with ``groups - 1`` degrees of freedom and not, as in the paper, of the
        normal distribution: with many groups they are the same, with ten the normal ones are too sure.

        Args:
            weights: (M,); ``[1, -1]`` is the difference of two.
            confidence: level of the interval, in (0, 1).
        """
        row = np.asarray(weights, dtype=np.float64)
        value, variance = float(row @ self.value), float(row @ self.covariance @ row)
        if not np.isfinite(value) or not np.isfinite(variance):
            return Contrast(Interval(value, np.nan, np.nan), np.nan)
        error = float(np.sqrt(max(variance, 0.0)))
        if error < _ROUNDING:
            nothing = abs(value) < _ROUNDING
            return Contrast(Interval(value, *((0.0, 0.0) if nothing else (np.nan, np.nan))), 1.0 if nothing else np.nan)
        freedom = self.groups - 1
        reach = float(stdtrit(freedom, (1 + confidence) / 2)) * error
        p_value = 2 * float(stdtr(freedom, -abs(value) / error))
        return Contrast(Interval(value, value - reach, value + reach), p_value)


_ROUNDING = 1e-12
"""Differences of AUROC, and standard errors, below this come from rounding alone."""


def clustered_auroc(labels: ArrayLike, scores: ArrayLike, groups: ArrayLike) -> ClusteredAuroc:
    """AUROC of each score, and their covariance where whole groups are drawn.

    Args:
        labels: (N,) of 0 and 1, 1 = forged.
        scores: (N,) or (N, M), any finite numbers; higher = forged.
        groups: (N,) names.

    Raises:
        ValueError: shapes that do not fit together, or values out of range.

    >>> both = clustered_auroc([0, 0, 1, 1], [[0.1, 0.2], [0.4, 0.3], [0.4, 0.9], [0.9, 0.8]], [0, 1, 2, 3])
    >>> both.value.tolist()
    [0.875, 1.0]
    """
    columns = np.asarray(scores, dtype=np.float64)
    columns = columns[:, None] if columns.ndim == 1 else columns
    checked_columns = [checked(labels, column, None, any_score=True) for column in columns.T]
    truth = checked_columns[0][0]
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    if member.shape != truth.shape:
        raise ValueError(f"groups {member.shape} must name one group a face: {truth.shape}")
    forged, real = np.flatnonzero(truth), np.flatnonzero(~truth)
    width = columns.shape[1]
    if not len(forged) or not len(real):
        return ClusteredAuroc(np.full(width, np.nan), np.full((width, width), np.nan), 0)
    placements = [_placements(columns[forged], columns[real]), _placements(columns[real], columns[forged])]
    value = placements[0].mean(axis=0)
    # A real face's placement counts the forged ones below it: its complement is what it adds to the AUROC.
    parts = [placements[0] - value, (1 - placements[1]) - value]
    sums = [_by_group(part, member[rows], len(names)) for part, rows in zip(parts, (forged, real), strict=True)]
    present = [len(np.unique(member[rows])) for rows in (forged, real)]
    return ClusteredAuroc(value, _covariance(sums, present, (len(forged), len(real)), len(names)), min(present))


def pair_wins(labels: ArrayLike, scores: ArrayLike) -> NDArray[np.float64]:
    """Who wins each pair of a forged and a real face: 1 the forged, 0 the real, 0.5 neither; (forged, real).

    Its mean is the AUROC. Matrices of several conditions of the same faces add up, so that the AUROC averaged over
    hundreds of conditions costs a resample of groups no more than that of one (:func:`mean_wins`).
    """
    truth, score, _ = checked(labels, scores, None, any_score=True)
    forged, real = score[truth][:, None], score[~truth][None, :]
    wins: NDArray[np.float64] = (forged > real) + 0.5 * (forged == real)
    return wins


def mean_wins(wins: NDArray[np.float64], labels: NDArray[Any], weights: Floats) -> Floats:
    """Weighted mean of a (forged, real) matrix for each row of weights (R, N) of the faces; ``nan`` without a class.

    Args:
        wins: a matrix of :func:`pair_wins`, or a sum or difference of some.
        labels: (N,) of the same faces, 1 = forged.
        weights: (R, N), as a bootstrap draws them.
    """
    truth = np.asarray(labels) == 1
    forged, real = weights[:, truth], weights[:, ~truth]
    pairs = forged.sum(axis=1) * real.sum(axis=1)
    result = np.full(len(weights), np.nan)
    np.divide(np.sum((forged @ wins) * real, axis=1), pairs, out=result, where=pairs > 0)
    return result


def _placements(scores: Floats, others: Floats) -> Floats:
    """Share of the others below each score, ties counted half: by ranks, (N, M) and (K, M) to (N, M).

    Sun and Xu 2014, "Fast implementation of DeLong's algorithm".
    """
    together = rankdata(np.concatenate([scores, others]), axis=0)[: len(scores)]
    placements: Floats = (together - rankdata(scores, axis=0)) / len(others)
    return placements


def _by_group(values: Floats, member: NDArray[np.intp], groups: int) -> Floats:
    sums = np.zeros((groups, values.shape[1]))
    np.add.at(sums, member, values)
    return sums


def _covariance(sums: list[Floats], present: list[int], faces: tuple[int, int], groups: int) -> NDArray[np.float64]:
    if min(present) < 2:
        return np.full((sums[0].shape[1],) * 2, np.nan)
    of_forged, of_real = (
        (count / (count - 1)) * part.T @ part / number**2
        for part, count, number in zip(sums, present, faces, strict=True)
    )
    cross = (groups / (groups - 1)) * sums[0].T @ sums[1] / (faces[0] * faces[1])
    covariance: NDArray[np.float64] = of_forged + of_real + cross + cross.T
    return covariance
