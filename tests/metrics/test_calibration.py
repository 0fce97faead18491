import numpy as np
import pytest
from hypothesis import given, settings
from sklearn.calibration import calibration_curve

from deepfake_pipeline.metrics.calibration import ece, reliability_curve
from tests.metrics.cases import Case, cases, clustered


def slow_ece(labels: np.ndarray, probability: np.ndarray, weights: np.ndarray, bins: int) -> float:
    total = 0.0
    for number in range(bins):
        members = [
            row for row, p in enumerate(probability) if min(int(p * bins), bins - 1) == number and weights[row] > 0
        ]
        mass = sum(weights[row] for row in members)
        if mass:
            said = sum(weights[row] * probability[row] for row in members) / mass
            forged = sum(weights[row] * labels[row] for row in members) / mass
            total += mass * abs(said - forged)
    return total / weights.sum()


@given(cases())
@settings(max_examples=100, deadline=None)
def test_ece_equals_a_plain_loop(case: Case) -> None:
    for bins in (1, 7, 15):
        assert ece(*case, bins=bins) == pytest.approx(slow_ece(*case, bins))


def test_reliability_curve_equals_scikit_learn() -> None:
    case, _ = clustered(300, seed=2)
    curve = reliability_curve(case.labels, case.probability, bins=10)
    shares, said = calibration_curve(case.labels, case.probability, n_bins=10)
    filled = curve.weight > 0
    assert curve.share_forged[filled] == pytest.approx(shares)
    assert curve.fake_probability[filled] == pytest.approx(said)
    assert curve.weight.sum() == 600
    assert len(curve.edges) == 11


def test_empty_bins_are_nan_and_matrices_keep_their_rows() -> None:
    curve = reliability_curve([0, 1], [0.05, 1.0], np.array([[1, 1], [2, 0]]), bins=10)
    assert curve.share_forged.shape == (2, 10)
    assert np.isnan(curve.share_forged[0, 1:9]).all()
    assert curve.share_forged[0, 9] == 1
    assert np.isnan(curve.share_forged[1, 9])
    assert ece([0, 1], [0.05, 1.0], np.array([[1, 1], [2, 0], [0, 0]])) == pytest.approx(
        [0.025, 0.05, np.nan], nan_ok=True
    )


def test_probabilities_drawn_as_they_say_are_calibrated_and_sharpened_ones_are_not() -> None:
    rng = np.random.default_rng(3)
    probability = rng.random(100_000)
    labels = rng.random(100_000) < probability
    assert ece(labels, probability) < 0.01
    sharpened = probability**2 / (probability**2 + (1 - probability) ** 2)
    assert ece(labels, sharpened) > 0.08


def test_bins_must_be_there() -> None:
    with pytest.raises(ValueError, match="at least one bin"):
        ece([0, 1], [0.1, 0.2], bins=0)
