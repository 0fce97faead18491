"""Shares of errors: exact tests and bounds, also for faces that belong together and so are worth fewer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv

from deepfake_pipeline.metrics.classification import Floats
from deepfake_pipeline.metrics.intervals import Interval


def chance_of_so_few(errors: float, count: float, share: float) -> float:
    """P(at most ``errors`` among ``count``) if each is wrong with probability ``share``: the p-value of the test.

    The binomial distribution, continued to numbers that are not whole (Korn and Graubard 1998).
    """
    return 1.0 if errors >= count else float(betainc(count - errors, errors + 1, 1 - share))


def upper_bound(errors: float, count: float, risk: float) -> float:
    """The share of errors that is not exceeded but for a chance of ``risk`` (Clopper and Pearson 1934), in [0, 1]."""
    return 1.0 if errors >= count else float(betaincinv(errors + 1, count - errors, 1 - risk))


def intraclass_correlation(values: Floats, groups: NDArray[Any]) -> float:
    """How alike the values of one group are, in [0, 1]: the analysis-of-variance estimate (Fleiss 1981).

    0 where every group has one face or every value is the same; 1 where there is one group alone.
    """
    _, member = np.unique(groups, return_inverse=True)
    sizes = np.bincount(member).astype(np.float64)
    number, total = len(sizes), len(values)
    if number == 1:
        return 1.0
    if total == number or np.ptp(values) == 0:
        return 0.0
    means = np.bincount(member, values) / sizes
    between = float(sizes @ (means - values.mean()) ** 2) / (number - 1)
    within = float(np.sum((values - means[member]) ** 2)) / (total - number)
    size = (total - float(sizes @ sizes) / total) / (number - 1)
    return float(np.clip((between - within) / (between + (size - 1) * within), 0, 1))


def design_effect(groups: NDArray[Any], alike: float) -> float:
    """How many faces of these groups are worth one independent face, at least 1 (Kish 1965)."""
    _, sizes = np.unique(groups, return_counts=True)
    return 1 + (float(sizes @ sizes) / float(sizes.sum()) - 1) * alike if len(sizes) else 1.0


def clustered_upper_bound(wrong: NDArray[np.bool_], groups: NDArray[Any], risk: float = 0.05) -> float:
    """Upper bound of a share of errors, Clopper and Pearson's with the faces counted for what they are worth.

    Korn and Graubard 1998, "Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data".

    Args:
        wrong: ``(N,)``.
        groups: ``(N,)``; what is independent.
        risk: chance that the share is larger.
    """
    effect = design_effect(groups, intraclass_correlation(wrong.astype(np.float64), groups))
    return upper_bound(float(wrong.sum()) / effect, len(wrong) / effect, risk) if len(wrong) else 1.0


def share_interval(found: Interval, groups: NDArray[Any], confidence: float) -> Interval:
    """A bootstrapped interval of a share, whose far end is an exact bound where the share is 0 or 1.

    Whatever is drawn of such faces, the share stays what it is: a bootstrap would be certain of it after one face.

    Args:
        found: by the bootstrap.
        groups: ``(N,)``, of the faces that it is a share of; what is independent.
        confidence: level of the interval, in (0, 1).
    """
    if not len(groups) or found.value not in (0, 1):
        return found
    bound = clustered_upper_bound(np.zeros(len(groups), np.bool_), groups, (1 - confidence) / 2)
    return found._replace(low=1 - bound) if found.value else found._replace(high=bound)
