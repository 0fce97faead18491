"""Probabilities that mean what they say: what a network's log-odds are worth, fitted on calibration faces.

Temperature (Guo et al. 2017, "On calibration of modern neural networks"), Platt's line (Platt 1999) and isotonic
regression (Zadrozny and Elkan 2002, in the centred form of Oron and Flournoy 2017). Which of them, or none, is decided
by the log loss on groups that did not fit it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from deepfake_pipeline.metrics.classification import Floats, log_loss

Kind = Literal["none", "temperature", "platt", "isotonic"]

FOLDS = 5
_STEEPEST, _FARTHEST = 5.0, 20.0  # bounds of the log of the slope and of the shift, in nats


@dataclass(frozen=True)
class Calibrator:
    """A strictly increasing map of log-odds: it moves probabilities and thresholds, and no face past another.

    Attributes:
        kind: how it was made.
        slope: above 0; without knots the result is ``slope · raw + shift``.
        shift: in nats.
        knots: raw and calibrated log-odds, both rising, joined by straight lines; beyond the outermost ones the
            line goes on with ``slope``, so that even there two faces keep their order.
    """

    kind: Kind = "none"
    slope: float = 1.0
    shift: float = 0.0
    knots: tuple[tuple[float, float], ...] = ()

    def logit(self, raw: ArrayLike) -> Floats:
        """Calibrated log-odds, float64, from those of the network, of any shape."""
        values = np.asarray(raw, np.float64)
        if not self.knots:
            return np.asarray(self.slope * values + self.shift)
        x, y = np.array(self.knots).T
        beyond = np.minimum(values - x[0], 0) + np.maximum(values - x[-1], 0)
        return np.asarray(np.interp(values, x, y) + self.slope * beyond)

    def probability(self, raw: ArrayLike) -> Floats:
        """Calibrated fake probability, in [0, 1]."""
        return np.asarray(expit(self.logit(raw)))

    def hinges(self) -> tuple[float, float, list[tuple[float, float]]]:
        """The same map as ``slope · raw + shift`` and the sum of ``turn · max(raw - place, 0)`` over (place, turn)."""
        if not self.knots:
            return self.slope, self.shift, []
        x, y = np.array(self.knots).T
        slopes = np.concatenate([[self.slope], np.diff(y) / np.diff(x), [self.slope]])
        shift = float(y[0] - self.slope * x[0])
        return self.slope, shift, list(zip(x.tolist(), np.diff(slopes).tolist(), strict=True))

    def to_json(self) -> dict[str, Any]:
        """As JSON values; :meth:`from_json` gives an equal one."""
        return {
            "kind": self.kind,
            "slope": self.slope,
            "shift": self.shift,
            "knots": [list(knot) for knot in self.knots],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any] | None) -> Calibrator:
        """From :meth:`to_json`; None is no calibration, as in releases made before there was one.

        Raises:
            ValueError: not strictly increasing.
            KeyError: a field is missing.
        """
        if value is None:
            return cls()
        knots = tuple((float(x), float(y)) for x, y in value["knots"])
        made = cls(value["kind"], float(value["slope"]), float(value["shift"]), knots)
        if not made.slope > 0 or (len(knots) > 1 and np.diff(np.array(knots), axis=0).min() <= 0):
            raise ValueError("a calibrator must be strictly increasing")
        return made


class Choice(NamedTuple):
    """The calibrator that was chosen, and by what: mean log loss (nats) of each kind on groups left out."""

    calibrator: Calibrator
    log_loss: dict[str, float]


def fit_temperature(labels: NDArray[np.integer[Any]], raw: Floats) -> Calibrator:
    """One slope, for log-odds that are too sure or not sure enough.

    Args:
        labels: ``(N,)`` of 0 and 1.
        raw: ``(N,)`` log-odds.
    """
    return Calibrator("temperature", *_line(labels, raw, shifts=False))


def fit_platt(labels: NDArray[np.integer[Any]], raw: Floats) -> Calibrator:
    """A slope and a shift; arguments as of :func:`fit_temperature`."""
    return Calibrator("platt", *_line(labels, raw, shifts=True))


def fit_isotonic(labels: NDArray[np.integer[Any]], raw: Floats) -> Calibrator:
    """Any rising curve; arguments as of :func:`fit_temperature`.

    Each level of the isotonic regression stands at the mean of its faces and lines join the levels, so that no two
    faces tie. A lowest level without forged faces, or a highest with none but forged ones, is taken for half a face
    of the other kind. Where there are fewer than two levels it is Platt's line.
    """
    from sklearn.isotonic import IsotonicRegression  # late: the command line starts without it

    order = np.argsort(raw, kind="stable")
    x, truth = np.asarray(raw, np.float64)[order], np.asarray(labels, np.float64)[order]
    fitted = IsotonicRegression().fit_transform(x, truth)
    _, level = np.unique(fitted, return_inverse=True)
    count = np.bincount(level)
    if len(count) < 2:
        return Calibrator("isotonic", *_line(labels, raw, shifts=True))
    centre, share = np.bincount(level, x) / count, np.bincount(level, truth) / count
    if share[0] == 0:
        share[0] = min(0.5 / (count[0] + 1), share[1] / 2)
    if share[-1] == 1:
        share[-1] = 1 - min(0.5 / (count[-1] + 1), (1 - share[-2]) / 2)
    slope, _ = _line(labels, raw, shifts=True)
    knots = zip(centre.tolist(), logit(share).tolist(), strict=True)
    return Calibrator("isotonic", slope, 0.0, tuple(knots))


def _uncalibrated(labels: NDArray[np.integer[Any]], raw: Floats) -> Calibrator:
    return Calibrator()


CALIBRATORS: dict[Kind, Callable[[NDArray[np.integer[Any]], Floats], Calibrator]] = {
    "none": _uncalibrated,
    "temperature": fit_temperature,
    "platt": fit_platt,
    "isotonic": fit_isotonic,
}
"""How each kind is fitted, the simpler ones first."""


def choose_calibrator(
    labels: NDArray[np.integer[Any]], raw: Floats, groups: NDArray[Any], folds: int = FOLDS
) -> Choice:
    """The kind with the lowest log loss on left-out groups, fitted to all faces; of equal ones the simpler.

    Args:
        labels: ``(N,)`` of 0 and 1.
        raw: ``(N,)`` log-odds of the network.
        groups: ``(N,)``; a group is left out as a whole. With one group alone nothing is calibrated.
        folds: parts that are left out one after the other.
    """
    from sklearn.model_selection import GroupKFold  # late: the command line starts without it

    _, member = np.unique(groups, return_inverse=True)
    raw = np.asarray(raw, np.float64)
    parts = min(folds, int(member.max()) + 1)
    if parts < 2:
        return Choice(Calibrator(), {})
    splits = list(GroupKFold(parts).split(raw, groups=member))
    losses: dict[str, float] = {}
    for kind, fit in CALIBRATORS.items():
        said = np.empty(len(raw))
        for fitting, judging in splits:
            said[judging] = fit(labels[fitting], raw[fitting]).probability(raw[judging])
        losses[kind] = float(log_loss(labels, said))
    best = min(CALIBRATORS, key=lambda kind: losses[kind])
    return Choice(CALIBRATORS[best](labels, raw), losses)


def _line(labels: NDArray[np.integer[Any]], raw: Floats, *, shifts: bool) -> tuple[float, float]:
    """Slope and shift of the lowest log loss; the slope stays above 0, as no detector is turned round."""
    from scipy.optimize import minimize  # late, as above

    x, sign = np.asarray(raw, np.float64), 2.0 * np.asarray(labels) - 1

    def loss(point: Floats) -> tuple[float, Floats]:
        slope = np.exp(point[0])
        scores = sign * (slope * x + shifts * point[1])
        pull = -sign * expit(-scores)
        gradient = np.array([np.mean(pull * x) * slope, shifts * np.mean(pull)])
        return float(np.mean(np.logaddexp(0, -scores))), gradient

    bounds = [(-_STEEPEST, _STEEPEST), (-_FARTHEST, _FARTHEST)]
    found = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=bounds, tol=1e-12).x
    return float(np.exp(found[0])), float(shifts * found[1])
