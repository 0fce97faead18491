"""P-values of bootstraps, and many tests at once: the chance of a single false alarm among them is kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepfake_pipeline.metrics.intervals import Bootstrap


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values of a family of tests: where one is below a level, its test is significant at that level.

    The step-down procedure of Holm 1979, "A simple sequentially rejective multiple test procedure": the chance that
    any true null hypothesis of the family is rejected stays at the level, whatever the tests have in common. A test
    without a p-value (``nan``) still counts as one of the family and is never rejected.

    Args:
        p_values: (N,), in [0, 1] or ``nan``.

    Returns:
        (N,), each at least the p-value that was given and at most 1; ``nan`` where that was ``nan``.

    Raises:
        ValueError: no vector, or a value out of range.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p_values, dtype=np.float64)
    if given.ndim != 1 or np.any((given < 0) | (given > 1)):
        raise ValueError("p-values are a vector of numbers from 0 to 1")
    order = np.argsort(given, kind="stable")  # nan comes last
    adjusted = np.empty_like(given)
    factors = np.arange(len(given), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * given[order]), 1.0)
    return adjusted


def bootstrap_p(bootstrap: Bootstrap, index: int = 0) -> float:
    """Two-sided p-value of a statistic being 0: twice the smaller share of resamples on either side of 0.

    The share counts one resample more than there are (Davison and Hinkley 1997, section 4.2), so that no p-value is 0.
    nan where the statistic, or every resample of it, is not defined.
    """
    samples = bootstrap.samples[:, index]
    samples = samples[np.isfinite(samples)]
    if not len(samples) or not np.isfinite(bootstrap.value[index]):
        return float("nan")
    fewer = min(np.count_nonzero(samples <= 0), np.count_nonzero(samples >= 0))
    return float(min(1.0, 2 * (fewer + 1) / (len(samples) + 1)))
