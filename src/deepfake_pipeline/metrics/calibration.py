"""Whether a fake probability of 0.8 means that eight of ten such faces are forged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepfake_pipeline.metrics.classification import Floats, checked, ratio

BINS = 15


class ReliabilityCurve(NamedTuple):
    """One point a bin; ``nan`` where a bin is empty. Arrays are (..., bins), ``edges`` (bins + 1,)."""

    edges: Floats
    fake_probability: Floats
    share_forged: Floats
    weight: Floats


def ece(
    labels: ArrayLike, fake_probability: ArrayLike, weights: ArrayLike | None = None, *, bins: int = BINS
) -> Floats:
    """Expected calibration error, in [0, 1]: mean over faces of |mean probability - share forged| of their bin.

    The bins have equal width and are over the probability of *forged*; the gap is to the share of forged faces
    (not the confidence in the predicted class against accuracy, which hides errors of opposite sign on the
    two sides of 0.5). A face lies in bin floor(p × bins), the last bin includes 1. Sampling error counts as
    miscalibration: on few faces the estimate lies above the truth, most of all where the truth is near 0; hence
    ``Bootstrap.basic`` and ``Bootstrap.debiased``.

    Args:
        labels: (N,) of 0 and 1.
        fake_probability: (N,) in [0, 1].
        weights: (N,), or (R, N) for R weightings at once; the result is a scalar or (R,).
        bins: number of bins; 15 as in Guo et al. 2017, "On calibration of modern neural networks".

    >>> round(float(ece([0, 1, 1, 1], [0.5, 0.5, 0.9, 0.9])), 3)
    0.05
    """
    truth, score, weight = checked(labels, fake_probability, weights)
    gaps = np.zeros(weight.shape[:-1])
    for members in _bins(score, bins):
        gaps = gaps + np.abs(weight[..., members] @ (score - truth)[members])
    return ratio(gaps, weight.sum(axis=-1))


def reliability_curve(
    labels: ArrayLike, fake_probability: ArrayLike, weights: ArrayLike | None = None, *, bins: int = BINS
) -> ReliabilityCurve:
    """Mean fake probability, share of forged faces and weight of each bin; bins as in :func:`ece`."""
    truth, score, weight = checked(labels, fake_probability, weights)
    sums = [
        (part.sum(axis=-1), part @ score[members], part @ truth[members].astype(np.float64))
        for members in _bins(score, bins)
        for part in [weight[..., members]]
    ]
    mass, probability, forged = (np.stack(column, axis=-1) for column in zip(*sums, strict=True))
    return ReliabilityCurve(np.linspace(0, 1, bins + 1), ratio(probability, mass), ratio(forged, mass), mass)


def _bins(score: Floats, bins: int) -> Iterator[NDArray[np.intp]]:
    """Indices of the faces in each bin, empty ones included."""
    if bins < 1:
        raise ValueError(f"bins={bins}: at least one bin is needed")
    number = np.minimum((score * bins).astype(np.intp), bins - 1)
    order = np.argsort(number, kind="stable")
    yield from np.split(order, np.searchsorted(number[order], np.arange(1, bins)))
