"""Confidence intervals from a bootstrap that draws whole groups.

Faces of one group (one source video, one identity) resemble one another, so the group is what a repetition of
the study would draw anew, and what is drawn here. A resample is not a copy of rows but a vector of integer
weights: how often each face was drawn. A statistic takes a matrix of R such vectors, (R, N), and gives (R,)
or (R, M) values, which lets it sort once and replace loops by sums; every function of
:mod:`deepfake_pipeline.metrics.classification` has that form:

>>> labels, probability = [0, 1, 0, 1, 1, 0], [0.1, 0.8, 0.4, 0.3, 0.9, 0.2]
>>> groups = ["a", "a", "b", "b", "c", "c"]
>>> from functools import partial
>>> from deepfake_pipeline.metrics.classification import auroc
>>> cluster_bootstrap(partial(auroc, labels, probability), groups, resamples=200).interval().value
0.8888888888888888
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from deepfake_pipeline.metrics.classification import Floats, ratio

Statistic = Callable[[Floats], Floats]
Method = Literal["percentile", "bca"]

RESAMPLES = 2000
CHUNK_WEIGHTS = 1 << 19
"""Weights in memory at once (4 MB), whatever the number of faces and resamples: about what a cache holds."""
JACKKNIFE_BLOCKS = 256
"""Groups beyond this number are left out in blocks when the acceleration of BCa is estimated."""


class Interval(NamedTuple):
    """A figure and its confidence interval; ``nan`` where the figure, or an interval of it, is not defined."""

    value: float
    low: float
    high: float


def as_json(interval: Interval) -> dict[str, float | None]:
    """An interval as JSON values; what is not defined is null."""
    return {name: None if math.isnan(value) else value for name, value in interval._asdict().items()}


@dataclass(frozen=True)
class Bootstrap:
    """Bootstrap distribution of M statistics of the same resamples.

    Args:
        value: (M,), on the faces as they are.
        samples: (R, M), on each resample; ``nan`` where a resample lacks what the statistic needs (a class).
        left_out: (B, M), with each block of groups left out; (0, M) where only percentiles are asked for.
        confidence: level of the intervals, in (0, 1).
        basic: the interval is reflected about the value (Davison and Hinkley 1997, section 5.2) and not below 0:
            for figures that are never negative and that small samples push upward, as ECE. A resample pushes
            once more, and the reflection takes the push back; BCa then covers far less than it says. Where all of
            the reflected interval lies on one side of the value, it is stretched to hold the value, which can only
            make it cover more; :attr:`debiased` is the value that belongs in its middle.
    """

    value: Floats
    samples: Floats
    left_out: Floats
    confidence: float
    basic: bool = False

    @property
    def dropped(self) -> NDArray[np.intp]:
        """(M,): how many resamples each interval had to leave out."""
        missing: NDArray[np.intp] = np.sum(~np.isfinite(self.samples), axis=0, dtype=np.intp)
        return missing

    def column(self, index: int) -> Bootstrap:
        """The bootstrap of one of the statistics."""
        one = slice(index, index + 1)
        return replace(self, value=self.value[one], samples=self.samples[:, one], left_out=self.left_out[:, one])

    @property
    def debiased(self) -> Bootstrap:
        """The same figures less the push that resamples show, ``2 · value - mean(samples)``, at least 0.

        Efron and Tibshirani 1993, "An introduction to the bootstrap", section 10.2. The interval is the reflected
        one of ``basic``, not stretched: it belongs to this value.
        """
        finite = np.isfinite(self.samples)
        mean = ratio(np.where(finite, self.samples, 0).sum(axis=0), finite.sum(axis=0).astype(np.float64))
        value, samples = np.maximum(2 * self.value - mean, 0), np.maximum(2 * self.value - self.samples, 0)
        return Bootstrap(value, samples, np.zeros((0, len(value))), self.confidence)

    def minus(self, other: Bootstrap) -> Bootstrap:
        """The bootstrap of the difference to another one *of the same resamples* (same groups and seed)."""
        return Bootstrap(
            self.value - other.value,
            self.samples - other.samples,
            self.left_out - other.left_out,
            self.confidence,
        )

    def interval(self, index: int = 0) -> Interval:
        """Interval of one statistic."""
        value = float(self.value[index])
        samples = self.samples[:, index]
        samples = samples[np.isfinite(samples)]
        if not np.isfinite(value) or not len(samples):
            return Interval(value, float("nan"), float("nan"))
        tails = np.array([(1 - self.confidence) / 2, (1 + self.confidence) / 2])
        if self.basic:
            high, low = np.maximum(2 * value - np.quantile(samples, tails), 0)
            return Interval(value, min(float(low), value), max(float(high), value))
        if len(self.left_out):
            tails = _bca_levels(value, samples, self.left_out[:, index], tails)
        low, high = np.quantile(samples, tails)
        return Interval(value, float(low), float(high))

    def intervals(self) -> list[Interval]:
        """Interval of each statistic."""
        return [self.interval(index) for index in range(len(self.value))]


def cluster_bootstrap(
    statistic: Statistic | Sequence[Statistic],
    groups: Sequence[Any] | NDArray[Any],
    *,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
    method: Method = "bca",
) -> Bootstrap:
    """Draw as many groups as there are, with replacement, ``resamples`` times, and evaluate the statistic.

    The intervals are bias-corrected and accelerated (BCa; Efron 1987, "Better bootstrap confidence intervals")
    or plain percentiles. BCa is the default because figures such as ECE are biased upward in every resample,
    so that their percentile interval can lie wholly above the estimate, and because AUROC near 1 is skewed.
    The result depends on the seed, the groups' names and the faces in each, and not on the order of the rows
    beyond rounding. One group alone has no interval.

    Args:
        statistic: takes weights (R, N) and returns (R,) or (R, M); several are put side by side.
        groups: (N,) names of the group of each row.
        resamples: number of resamples.
        confidence: level of the interval, in (0, 1).
        seed: of the draws; two calls with one seed and the same groups draw the same resamples (are paired).
        method: ``bca`` or ``percentile``.

    Raises:
        ValueError: no rows, or a level or number out of range.
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    if not len(names):
        raise ValueError("a bootstrap needs at least one row")
    if resamples < 1 or not 0 < confidence < 1:
        raise ValueError(f"resamples={resamples} must be at least 1 and confidence={confidence} in (0, 1)")
    several = statistic if isinstance(statistic, Sequence) else [statistic]

    def evaluate(counts: Iterator[Floats]) -> Floats:
        parts = [
            np.column_stack([np.asarray(one(weights)) for one in several])
            for weights in (chunk[:, member] for chunk in counts)
        ]
        return np.concatenate(parts)

    rows = max(1, CHUNK_WEIGHTS // len(member))
    whole = evaluate(iter([np.ones((1, len(names)))]))
    if len(names) == 1:  # nothing can be said about another group: no interval, instead of one of width 0
        nothing = np.full((resamples, whole.shape[1]), np.nan)
        return Bootstrap(whole[0], nothing, nothing[:0], confidence)
    samples = evaluate(_resampled(len(names), resamples, rows, seed))
    left_out = evaluate(_left_out(len(names), rows)) if method == "bca" else np.zeros((0, whole.shape[1]))
    return Bootstrap(whole[0], samples, left_out, confidence)


def cluster_mean(
    values: ArrayLike,
    groups: Sequence[Any] | NDArray[Any],
    *,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
    method: Method = "bca",
) -> Bootstrap:
    """Means of (N,) or (N, M) values over rows, by :func:`cluster_bootstrap`; M columns share the resamples.

    Raises:
        ValueError: a value is not finite.
    """
    columns = np.asarray(values, dtype=np.float64)
    if not np.all(np.isfinite(columns)):
        raise ValueError("cannot average nan or infinity; drop or cap such values first")

    def mean(weights: Floats) -> Floats:
        total = weights.sum(axis=1)
        return ratio(weights @ columns, total if columns.ndim == 1 else total[:, None])

    return cluster_bootstrap(mean, groups, resamples=resamples, confidence=confidence, seed=seed, method=method)


def paired_difference(
    first: Statistic,
    second: Statistic,
    groups: Sequence[Any] | NDArray[Any],
    *,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
    method: Method = "bca",
) -> Bootstrap:
    """``first - second`` on the same resamples: two conditions of the same faces, row by row.

    What both share (hard faces, a lucky draw of groups) cancels, so the interval is narrower than that of two
    bootstraps of their own.
    """

    def difference(weights: Floats) -> Floats:
        return np.asarray(first(weights)) - np.asarray(second(weights))

    return cluster_bootstrap(difference, groups, resamples=resamples, confidence=confidence, seed=seed, method=method)


def _resampled(groups: int, resamples: int, rows: int, seed: int) -> Iterator[Floats]:
    """How often each group is drawn in each resample: matrices of at most ``rows`` rows."""
    generator = np.random.Generator(np.random.PCG64(seed))
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        drawn = generator.integers(groups, size=(count, groups))
        drawn += groups * np.arange(count)[:, None]
        yield np.bincount(drawn.ravel(), minlength=count * groups).reshape(count, groups).astype(np.float64)


def _left_out(groups: int, rows: int) -> Iterator[Floats]:
    """Weights 1 with one block of groups after the other at 0."""
    blocks = min(groups, JACKKNIFE_BLOCKS)
    # Neighbours in the sorted names may be alike: dealing them round keeps each block a fair sample.
    block = np.arange(groups) % blocks
    for start in range(0, blocks, rows):
        yield (np.arange(start, min(start + rows, blocks))[:, None] != block).astype(np.float64)


def _bca_levels(value: float, samples: Floats, left_out: Floats, tails: Floats) -> Floats:
    """The quantiles that BCa reads from the bootstrap distribution instead of the nominal tails."""
    below = (np.count_nonzero(samples < value) + np.count_nonzero(samples <= value)) / 2 / len(samples)
    if below in (0.0, 1.0):  # the value lies outside all resamples: as if half a resample lay beyond it
        below = abs(below - 0.5 / len(samples))
    bias = ndtri(below)
    left_out = left_out[np.isfinite(left_out)]
    pull = left_out.mean() - left_out if len(left_out) else np.zeros(1)
    spread = float(np.sum(pull**2))
    acceleration = float(np.sum(pull**3)) / (6 * spread**1.5) if spread**1.5 > 0 else 0.0
    shifted = bias + ndtri(tails)
    levels: Floats = ndtr(bias + shifted / np.maximum(1 - acceleration * shifted, 1e-6))
    return levels
