"""Unsure: a verdict is given where at most one in twenty is wrong, and not given elsewhere.

Selective classification with guaranteed risk (Geifman and El-Yaniv 2017, "Selective classification for deep neural
networks"), the threshold found by Learn then Test (Angelopoulos, Bates, Candès, Jordan and Lei 2021, section 3.1: fixed
sequence testing). Plain conformal sets promise coverage of all faces; what is asked here is the error among those that
get a verdict.

How sure a verdict has to be depends on the quality of the crop: in each part of sharpness the chance that a verdict is
right is a logistic curve of its margin, and one least chance holds for all parts; where more of a part's verdicts were
wrong even so, that part asks for more. The test counts only groups that did not fit the curves, and takes faces of one
group for the fewer independent ones that they are worth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from deepfake_pipeline.metrics.classification import Floats
from deepfake_pipeline.metrics.proportions import chance_of_so_few, design_effect, intraclass_correlation

NEVER = math.inf
STEPS = 200
FOLDS = 5
_LEAST_IN_A_BIN = 100
_SMALLEST_SHARE = 0.01
_FEW_VERDICTS = 20
_RIDGE = 1.0


@dataclass(frozen=True)
class UnsureRule:
    """Least margin of a verdict by quality.

    Attributes:
        target_error: largest share of wrong ones among the verdicts given.
        edges: sharpness at which one part ends and the next begins, rising.
        least_margin: of each part, in nats between the calibrated log-odds and those of the threshold; infinity
            where no verdict is given.
        smallest: px of the shorter side of the face's box below which no verdict is given: calibration has seen
            hardly any; 0 where sizes were not known.
        stability: whether the margin is the mean over several versions of the face, see ``stability.judged_versions``.
    """

    target_error: float
    edges: tuple[float, ...]
    least_margin: tuple[float, ...]
    smallest: float = 0.0
    stability: bool = False

    def part(self, sharpness: Floats | float) -> NDArray[np.intp]:
        """Number of the part that a sharpness falls into, from 0."""
        return np.asarray(np.searchsorted(self.edges, sharpness, side="right"))

    def least(self, sharpness: float, size: float | None = None) -> float:
        """Margin (nats) from which a face gets a verdict.

        Args:
            sharpness: of the crop, see ``faces.measure.sharpness``.
            size: px of the shorter side of the face's box; None where it is not known.
        """
        if size is not None and size < self.smallest:
            return NEVER
        return self.least_margin[int(self.part(sharpness))]

    def to_json(self) -> dict[str, Any]:
        """As JSON values, infinity as null; :meth:`from_json` gives an equal one."""
        return {
            "target_error": self.target_error,
            "edges": list(self.edges),
            "least_margin": [None if margin == NEVER else margin for margin in self.least_margin],
            "smallest": self.smallest,
            "stability": self.stability,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> UnsureRule:
        """From :meth:`to_json`.

        Raises:
            ValueError: not one margin a part.
            KeyError: a field is missing.
        """
        margins = tuple(NEVER if margin is None else float(margin) for margin in value["least_margin"])
        edges = tuple(float(edge) for edge in value["edges"])
        if len(margins) != len(edges) + 1:
            raise ValueError("an unsure rule has one margin more than edges")
        return cls(float(value["target_error"]), edges, margins, float(value["smallest"]), bool(value["stability"]))


class Learnt(NamedTuple):
    """A rule, and what it gave on the calibration faces that chose it (on groups left out), part by part."""

    rule: UnsureRule
    record: dict[str, Any]


def learn_unsure(
    labels: NDArray[np.integer[Any]],
    margin: Floats,
    sharpness: Floats,
    groups: NDArray[Any],
    *,
    target_error: float,
    risk: float,
    bins: int,
    sizes: Floats | None = None,
    stability: bool = False,
) -> Learnt:
    """The least margins with which, but for a chance of ``risk``, at most ``target_error`` of the verdicts are wrong.

    Args:
        labels: ``(N,)`` of 0 and 1; a face may stand there several times, clean and degraded.
        margin: ``(N,)``, signed: calibrated log-odds less those of the threshold; below 0 the verdict is real.
        sharpness: ``(N,)``.
        groups: ``(N,)``; what is independent.
        target_error: in (0, 1).
        risk: in (0, 1).
        bins: parts of sharpness at most; fewer where a part would have under 100 faces.
        sizes: ``(N,)`` px, nan where not known.
        stability: noted in the rule.
    """
    bins = max(1, min(bins, len(labels) // _LEAST_IN_A_BIN))
    edges = np.unique(np.quantile(sharpness, np.arange(1, bins) / bins))
    part = np.searchsorted(edges, sharpness, side="right")
    wrong, sure = (margin >= 0) != (labels == 1), np.abs(margin)
    chance = _left_out(part, sure, ~wrong, groups, len(edges) + 1)
    least = least_chance(chance, wrong, groups, target_error, risk)
    margins, rows = [], []
    for number, curve in enumerate(_curves(part, sure, ~wrong, len(edges) + 1)):
        within = part == number
        level = _good_enough(chance[within], wrong[within], least, target_error)
        given = within & (chance >= level)
        margins.append(_margin(curve, level))
        rows.append({"faces": int(within.sum()), "verdicts": int(given.sum()), "wrong": int(wrong[given].sum())})
    known = sizes[np.isfinite(sizes)] if sizes is not None else np.zeros(0)
    smallest = float(np.quantile(known, _SMALLEST_SHARE)) if len(known) else 0.0
    rule = UnsureRule(target_error, tuple(map(float, edges)), tuple(margins), smallest, stability)
    count, errors = (sum(row[name] for row in rows) for name in ("verdicts", "wrong"))
    record = {
        "target_error": target_error,
        "risk": risk,
        "faces": len(labels),
        "groups": len(np.unique(groups)),
        "verdicts": count,
        "wrong": errors,
        "error": errors / count if count else None,
        "least_chance": None if least == NEVER else float(least),
        "by_quality": rows,
    }
    return Learnt(rule, record)


def least_chance(
    chance: Floats, wrong: NDArray[np.bool_], groups: NDArray[Any], target_error: float, risk: float
) -> float:
    """The least chance of being right from which verdicts may be given; infinity where none is certain enough.

    Shares of the faces are tried from few to many, each with those of the highest chance, and the first one that is
    not shown to be good enough ends it. Shares of so few faces that even half of ``target_error`` would show nothing
    are passed over, which does not depend on the errors: to begin with fewer would let one error decide.

    Args:
        chance: ``(N,)``, that a verdict is right; only the order counts.
        wrong: ``(N,)``.
        groups: ``(N,)``.
        target_error: in (0, 1).
        risk: chance that more than ``target_error`` are wrong all the same.
    """
    alike = intraclass_correlation(wrong.astype(np.float64), groups)
    order = np.argsort(-chance, kind="stable")
    found = NEVER
    for step in range(1, STEPS + 1):
        number = round(len(chance) * step / STEPS)
        if not number:
            continue
        level = float(chance[order[number - 1]])
        given = chance >= level
        effect = design_effect(groups[given], alike)
        count, errors = float(given.sum()) / effect, float(wrong[given].sum()) / effect
        if chance_of_so_few(target_error / 2 * count, count, target_error) > risk:
            continue
        if chance_of_so_few(errors, count, target_error) > risk:
            break
        found = level
    return found


def _good_enough(chance: Floats, wrong: NDArray[np.bool_], least: float, target_error: float) -> float:
    """The least chance, from ``least`` up, with which at most ``target_error`` of one part's verdicts were wrong.

    What holds for all parts together need not hold in each. Infinity where it holds for no 20 faces of the part.
    """
    order = np.argsort(-chance, kind="stable")
    level, count = chance[order], np.arange(1, len(chance) + 1)
    last_of_equals = np.append(level[1:] < level[:-1], True)
    enough = (level >= least) & (count >= _FEW_VERDICTS) & last_of_equals
    good = enough & (np.cumsum(wrong[order]) <= target_error * count)
    return float(level[good].min()) if good.any() else NEVER


def _curves(part: NDArray[np.intp], sure: Floats, right: NDArray[np.bool_], parts: int) -> list[tuple[float, float]]:
    """Intercept and slope of each part's logistic curve of being right against the margin."""
    from sklearn.linear_model import LogisticRegression  # late: the command line starts without it

    found = []
    for number in range(parts):
        within = part == number
        if len(np.unique(right[within])) < 2:
            share = (float(right[within].sum()) + 0.5) / (float(within.sum()) + 1)
            found.append((math.log(share / (1 - share)), 0.0))
            continue
        fitted = LogisticRegression(C=_RIDGE).fit(sure[within, None], right[within])
        found.append((float(fitted.intercept_[0]), float(fitted.coef_[0, 0])))
    return found


def _left_out(
    part: NDArray[np.intp], sure: Floats, right: NDArray[np.bool_], groups: NDArray[Any], parts: int
) -> Floats:
    """Chance that each verdict is right, by curves that its group did not fit."""
    from sklearn.model_selection import GroupKFold

    folds = min(FOLDS, len(np.unique(groups)))
    if folds < 2:
        return np.zeros(len(part))
    chance = np.empty(len(part))
    for fitting, judging in GroupKFold(folds).split(part, groups=groups):
        curves = np.array(_curves(part[fitting], sure[fitting], right[fitting], parts))[part[judging]]
        chance[judging] = expit(curves[:, 0] + curves[:, 1] * sure[judging])
    return chance


def _margin(curve: tuple[float, float], least: float) -> float:
    """The margin at which a curve reaches a chance; infinity where it does not rise to it."""
    intercept, slope = curve
    if least == NEVER or slope <= 0 or not 0 < least < 1:
        return NEVER
    return max(0.0, (math.log(least / (1 - least)) - intercept) / slope)
