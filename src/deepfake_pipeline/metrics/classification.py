"""How well a fake probability tells forged faces from real ones: at a threshold, over all of them, in itself.

Every function takes ``labels`` (N,) of 0 and 1 (1 = forged), ``fake_probability`` (N,) and ``weights``:
``None``, one vector (N,), or a matrix (R, N) of R weightings of the same faces, which is what a bootstrap needs
(a resample is a row of integer multiplicities). The result has the shape of the weights without their last
axis: a scalar for ``None`` and for a vector, (R,) for a matrix. A weight of 2 is worth a repeated row, exactly.

Where a figure is not defined because a class has no weight, it is ``nan``, never an error and never a guess,
so that a bootstrap can drop and count such resamples: recall, F1 and average precision need forged faces;
balanced accuracy, AUROC and EER need both classes. Precision and F1 of a threshold that calls no face forged
are 0, as in scikit-learn. Everything is ``nan`` where all weights are 0. A *curve* of one class is an error.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

PROBABILITY_FLOOR = 1e-7
"""Log-loss clips probabilities to [1e-7, 1 - 1e-7], about the resolution of the float32 that is stored."""


class Confusion(NamedTuple):
    """Weight of the faces in each cell of the confusion matrix; ``fp`` are real faces called forged."""

    tn: Floats
    fp: Floats
    fn: Floats
    tp: Floats


class RocCurve(NamedTuple):
    """Corners of the ROC curve, from (0, 0) to (1, 1), by falling threshold; the first threshold is inf."""

    fpr: Floats
    tpr: Floats
    thresholds: Floats


class PrecisionRecallCurve(NamedTuple):
    """Precision and recall by falling threshold; the first point is recall 0, precision 1, threshold inf."""

    precision: Floats
    recall: Floats
    thresholds: Floats


class Ranked(NamedTuple):
    """Weight of real and of forged faces at or above each distinct score, by falling score: (..., U)."""

    fp: Floats
    tp: Floats
    scores: Floats


def checked(
    labels: ArrayLike, fake_probability: ArrayLike, weights: ArrayLike | None, *, any_score: bool = False
) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """Labels as booleans (N,), scores and weights (..., N) as float64, after checking them.

    Args:
        labels: 0 or 1.
        fake_probability: in [0, 1], or any finite number with ``any_score``.
        weights: finite and not negative; ``None`` is a weight of 1 for each face.
        any_score: where only the order of the scores counts.

    Raises:
        ValueError: shapes that do not fit together, or values out of range.
    """
    truth, score = np.asarray(labels), np.asarray(fake_probability, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != score.shape:
        raise ValueError(f"labels {truth.shape} and fake_probability {score.shape} must be two vectors of one length")
    if not np.all((truth == 0) | (truth == 1)):
        raise ValueError("labels must be 0 (real) or 1 (forged); drop faces of unknown label first")
    if not np.all(np.isfinite(score)):
        raise ValueError("fake_probability holds nan or infinity")
    if not any_score and score.size and not (score.min() >= 0 and score.max() <= 1):
        raise ValueError("fake_probability must be in [0, 1]; apply a sigmoid to logits first")
    weight = np.ones(len(truth)) if weights is None else np.asarray(weights, dtype=np.float64)
    if weight.shape[-1:] != truth.shape:
        raise ValueError(f"weights {weight.shape} must have one column a face: (..., {len(truth)})")
    if weight.size and not (weight.min() >= 0 and np.isfinite(weight.max())):
        raise ValueError("weights must be finite and not negative")
    return truth.astype(bool), score, weight


def ratio(numerator: Floats, denominator: Floats, empty: float = np.nan) -> Floats:
    """``numerator / denominator``, and ``empty`` where the denominator is 0."""
    top, bottom = np.broadcast_arrays(numerator, denominator)
    result = np.full(top.shape, empty)
    np.divide(top, bottom, out=result, where=bottom != 0)
    return result[()]


def confusion(
    labels: ArrayLike, fake_probability: ArrayLike, weights: ArrayLike | None = None, *, threshold: float = 0.5
) -> Confusion:
    """Confusion matrix: a face is called forged where ``fake_probability >= threshold``.

    >>> [int(cell) for cell in confusion([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9])]
    [1, 1, 1, 1]
    """
    truth, score, weight = checked(labels, fake_probability, weights)
    called = score >= threshold
    cells = np.stack([~truth & ~called, ~truth & called, truth & ~called, truth & called], axis=-1)
    counted = weight @ cells.astype(np.float64)
    return Confusion(*np.moveaxis(counted, -1, 0))


def confusion_rates(cells: Confusion) -> dict[str, Floats]:
    """Accuracy, balanced accuracy, precision, recall and F1 of a confusion matrix, by name."""
    tn, fp, fn, tp = cells
    recall_ = ratio(tp, tp + fn)
    f1_ = ratio(2 * tp, 2 * tp + fp + fn)
    return {
        "accuracy": ratio(tn + tp, tn + fp + fn + tp),
        "balanced_accuracy": (recall_ + ratio(tn, tn + fp)) / 2,
        "precision": np.where(tn + fp + fn + tp > 0, ratio(tp, tp + fp, empty=0.0), np.nan)[()],
        "recall": recall_,
        "f1": np.where(tp + fn > 0, f1_, np.nan)[()],
    }


def accuracy(
    labels: ArrayLike, fake_probability: ArrayLike, weights: ArrayLike | None = None, *, threshold: float = 0.5
) -> Floats:
    """Share of the faces called what they are, in [0, 1]."""
    return confusion_rates(confusion(labels, fake_probability, weights, threshold=threshold))["accuracy"]


def balanced_accuracy(
    labels: ArrayLike, fake_probability: ArrayLike, weights: ArrayLike | None = None, *, threshold: float = 0.5
) -> Floats:
    """Mean of the shares of real and of forged faces called what they are; 0.5 is chance."""
    return confusion_rates(confusion(labels, fake_probability, weights, threshold=threshold))["balanced_accuracy"]


def precision(
    labels: ArrayLike, fake_probability: ArrayLike, weights: ArrayLike | None = None, *, threshold: float = 0.5
) -> Floats:
    """Share of forged faces among those called forged; 0 where none is."""
    return confusion_rates(confusion(labels, fake_probability, weights, threshold=threshold))["precision"]


def recall(
    labels: ArrayLike, fake_probability: ArrayLike, weights: ArrayLike | None = None, *, threshold: float = 0.5
) -> Floats:
    """Share of the forged faces that are called forged."""
    return confusion_rates(confusion(labels, fake_probability, weights, threshold=threshold))["recall"]


def f1(
    labels: ArrayLike, fake_probability: ArrayLike, weights: ArrayLike | None = None, *, threshold: float = 0.5
) -> Floats:
    """Harmonic mean of precision and recall of the forged class."""
    return confusion_rates(confusion(labels, fake_probability, weights, threshold=threshold))["f1"]


def ranked(labels: ArrayLike, fake_probability: ArrayLike, weights: ArrayLike | None = None) -> Ranked:
    """Cumulated weights by falling score; equal scores make one step, so that ties are exact.

    Any finite score will do: only the order counts.
    """
    truth, score, weight = checked(labels, fake_probability, weights, any_score=True)
    order = np.argsort(-score, kind="stable")
    score, truth, weight = score[order], truth[order], weight[..., order]
    last = np.flatnonzero(np.append(score[1:] != score[:-1], True)) if len(score) else np.zeros(0, dtype=np.intp)
    tp = np.cumsum(weight * truth, axis=-1)[..., last]
    fp = np.cumsum(weight * ~truth, axis=-1)[..., last]
    return Ranked(fp, tp, score[last])


def auroc(labels: ArrayLike, fake_probability: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Area under the ROC curve: the chance that a forged face scores above a real one, ties counted half.

    Equal to the Mann-Whitney statistic over its maximum, and exact for integer weights.

    >>> float(auroc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.9]))
    0.875
    """
    return auroc_of(ranked(labels, fake_probability, weights))


def auroc_of(steps: Ranked) -> Floats:
    """AUROC from cumulated weights: trapezoids under the ROC curve."""
    fp, tp = _from_zero(steps.fp), _from_zero(steps.tp)
    doubled = np.sum((fp[..., 1:] - fp[..., :-1]) * (tp[..., 1:] + tp[..., :-1]), axis=-1)
    return ratio(doubled, 2 * fp[..., -1] * tp[..., -1])


def average_precision(labels: ArrayLike, fake_probability: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Average precision: sum over thresholds of (rise in recall) × precision, not interpolated (scikit-learn's)."""
    return average_precision_of(ranked(labels, fake_probability, weights))


def average_precision_of(steps: Ranked) -> Floats:
    """Average precision from cumulated weights."""
    tp = _from_zero(steps.tp)
    at_each = ratio(steps.tp, steps.tp + steps.fp, empty=0.0)
    return ratio(np.sum(np.diff(tp, axis=-1) * at_each, axis=-1), tp[..., -1])


def eer(labels: ArrayLike, fake_probability: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Equal error rate: where the ROC curve, its corners joined by straight lines, has FPR = 1 - TPR.

    The straight line between two corners is what a coin toss between two thresholds reaches. In [0, 1];
    0.5 is chance.

    >>> float(eer([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9]))
    0.5
    """
    return eer_of(ranked(labels, fake_probability, weights))


def eer_of(steps: Ranked) -> Floats:
    """Equal error rate from cumulated weights."""
    fp, tp = _from_zero(steps.fp), _from_zero(steps.tp)
    fpr, tpr = ratio(fp, fp[..., -1:]), ratio(tp, tp[..., -1:])
    gap = fpr + tpr - 1  # rises from -1 at (0, 0) to 1 at (1, 1); nan where a class lacks
    after = np.maximum(np.argmax(gap >= 0, axis=-1, keepdims=True), 1)
    if gap.shape[-1] == 1:  # no faces at all
        return np.full(gap.shape[:-1], np.nan)[()]
    low, high = _take(gap, after - 1), _take(gap, after)
    start, stop = _take(fpr, after - 1), _take(fpr, after)
    return (start - ratio(low, high - low) * (stop - start))[()]


def log_loss(labels: ArrayLike, fake_probability: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Mean cross-entropy in nats; probabilities are clipped to [1e-7, 1 - 1e-7], so a face costs 16.1 at most."""
    truth, score, weight = checked(labels, fake_probability, weights)
    clipped = np.clip(score, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    return weighted_mean(-np.log(np.where(truth, clipped, 1 - clipped)), weight)


def brier(labels: ArrayLike, fake_probability: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Mean squared difference of the fake probability and the label, in [0, 1]; always saying 0.5 gives 0.25."""
    truth, score, weight = checked(labels, fake_probability, weights)
    return weighted_mean((score - truth) ** 2, weight)


def weighted_mean(values: Floats, weights: Floats) -> Floats:
    """Mean of (N,) values under (..., N) weights; ``nan`` where all weights are 0."""
    return ratio(weights @ values, weights.sum(axis=-1))


def roc_curve(labels: ArrayLike, fake_probability: ArrayLike, weights: ArrayLike | None = None) -> RocCurve:
    """Every corner of the ROC curve, one weight vector at a time.

    Raises:
        ValueError: a class has no weight, or the weights are a matrix.
    """
    steps = _one_curve(ranked(labels, fake_probability, weights))
    if not len(steps.fp) or steps.fp[-1] == 0 or steps.tp[-1] == 0:
        raise ValueError("a ROC curve needs both real and forged faces")
    fpr, tpr = _from_zero(steps.fp) / steps.fp[-1], _from_zero(steps.tp) / steps.tp[-1]
    return RocCurve(fpr, tpr, np.append(np.inf, steps.scores))


def precision_recall_curve(
    labels: ArrayLike, fake_probability: ArrayLike, weights: ArrayLike | None = None
) -> PrecisionRecallCurve:
    """Precision and recall at every distinct score, one weight vector at a time.

    Raises:
        ValueError: forged faces have no weight, or the weights are a matrix.
    """
    steps = _one_curve(ranked(labels, fake_probability, weights))
    if not len(steps.tp) or steps.tp[-1] == 0:
        raise ValueError("a precision-recall curve needs forged faces")
    at_each = ratio(steps.tp, steps.tp + steps.fp, empty=1.0)
    recalls = steps.tp / steps.tp[-1]
    return PrecisionRecallCurve(np.append(1.0, at_each), np.append(0.0, recalls), np.append(np.inf, steps.scores))


def _one_curve(steps: Ranked) -> Ranked:
    if steps.fp.ndim != 1:
        raise ValueError("a curve is drawn for one weight vector (N,), not for a matrix of them")
    return steps


def _from_zero(cumulated: Floats) -> Floats:
    """The same sums, with the 0 before the first step."""
    return np.concatenate([np.zeros((*cumulated.shape[:-1], 1)), cumulated], axis=-1)


def _take(values: Floats, at: NDArray[np.intp]) -> Floats:
    return np.take_along_axis(values, at, axis=-1)[..., 0]
