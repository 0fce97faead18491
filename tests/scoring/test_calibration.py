"""Calibration with log-odds whose worth is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from deepfake_pipeline.metrics.calibration import ece
from deepfake_pipeline.metrics.classification import log_loss
from deepfake_pipeline.scoring.calibration import (
    CALIBRATORS,
    Calibrator,
    choose_calibrator,
    fit_isotonic,
    fit_platt,
    fit_temperature,
)


def drawn(count: int, seed: int, truth=lambda raw: raw):
    """Raw log-odds, labels drawn from what they are truly worth, and groups of two."""
    rng = np.random.default_rng(seed)
    raw = 3 * rng.normal(size=count)
    return (rng.random(count) < expit(truth(raw))).astype(int), raw, np.arange(count) // 2


def test_a_planted_temperature_is_found() -> None:
    labels, raw, _ = drawn(20_000, 0, lambda raw: raw / 2.5)
    assert 1 / fit_temperature(labels, raw).slope == pytest.approx(2.5, rel=0.05)


def test_platts_line_is_that_of_logistic_regression() -> None:
    labels, raw, _ = drawn(500, 1, lambda raw: 0.6 * raw - 0.8)
    found, other = fit_platt(labels, raw), LogisticRegression(C=np.inf, tol=1e-8).fit(raw[:, None], labels)
    assert found.slope == pytest.approx(other.coef_[0, 0], rel=1e-3)
    assert found.shift == pytest.approx(other.intercept_[0], abs=1e-3)


def test_a_detector_is_never_turned_round() -> None:
    labels, raw, _ = drawn(500, 2, lambda raw: -raw)
    assert all(fit(labels, raw).slope > 0 for fit in CALIBRATORS.values())


CROOKED = {
    "none": lambda raw: raw,
    "temperature": lambda raw: raw / 3,
    "platt": lambda raw: raw / 3 + 1.5,
    "isotonic": lambda raw: np.where(raw > 0, 3.0, -0.4) + 0.05 * raw,
}


@pytest.mark.parametrize("kind", CROOKED)
def test_left_out_groups_choose_what_the_log_odds_need(kind: str) -> None:
    labels, raw, groups = drawn(4000, 3, CROOKED[kind])
    chosen = choose_calibrator(labels, raw, groups)
    unseen, new, _ = drawn(4000, 4, CROOKED[kind])
    said = chosen.calibrator.probability(new)
    assert ece(unseen, said) <= 0.03  # the bar of the project
    best = min(chosen.log_loss.values())
    assert chosen.log_loss[kind] <= best + 0.001
    assert log_loss(unseen, said) <= log_loss(unseen, expit(CROOKED[kind](new))) + 0.01
    if kind != "none":
        assert ece(unseen, expit(new)) > 0.05


@given(st.integers(0, 10_000), st.sampled_from(sorted(CALIBRATORS)), st.integers(4, 60))
@settings(max_examples=60, deadline=None)
def test_no_face_passes_another_and_none_is_certain(seed: int, kind: str, count: int) -> None:
    rng = np.random.default_rng(seed)
    labels, raw = rng.integers(0, 2, count), np.round(4 * rng.normal(size=count), 1)
    made = CALIBRATORS[kind](labels, raw)
    places = np.linspace(-30, 30, 601)
    assert np.all(np.diff(made.logit(places)) > 0)
    assert np.isfinite(made.logit(places)).all()
    again = Calibrator.from_json(json.loads(json.dumps(made.to_json())))
    assert again == made
    slope, shift, hinges = made.hinges()
    by_hinges = slope * places + shift + sum(turn * np.maximum(places - place, 0) for place, turn in hinges)
    assert by_hinges == pytest.approx(made.logit(places), rel=1e-6, abs=1e-6)


def test_isotonic_levels_are_those_of_scikit_learn() -> None:
    from sklearn.isotonic import IsotonicRegression

    labels, raw, _ = drawn(600, 5)
    made, theirs = fit_isotonic(labels, raw), IsotonicRegression().fit(raw, labels)
    x, y = np.array(made.knots[1:-1]).T
    assert expit(y) == pytest.approx(theirs.predict(x), abs=1e-9)


def test_one_group_alone_is_not_calibrated_and_a_falling_map_is_refused() -> None:
    assert choose_calibrator(np.array([0, 1]), np.array([0.1, 0.2]), np.array(["a", "a"])).calibrator == Calibrator()
    assert Calibrator.from_json(None) == Calibrator()
    with pytest.raises(ValueError, match="increasing"):
        Calibrator.from_json({"kind": "isotonic", "slope": 1, "shift": 0, "knots": [[0, 0], [1, -1]]})
