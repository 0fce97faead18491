"""Several tests at once: p-values of bootstraps, and what is left of them in a family."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from deepfake_pipeline.metrics.classification import Floats
from deepfake_pipeline.metrics.intervals import Bootstrap


def holm(p: ArrayLike) -> Floats:
    """p-values such that calling those under a level significant errs at all, in the family, no oftener than the level.

    Holm 1979, "A simple sequentially rejective multiple test procedure"; no independence is needed. A p-value that is
    not defined (nan) stays so and is no member of the family.

    Args:
        p: ``(N,)`` in [0, 1].

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, np.float64)
    adjusted = np.full(values.shape, np.nan)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * values[order]), 1)
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
