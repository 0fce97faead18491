import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from deepfake_pipeline.metrics.intervals import Interval
from deepfake_pipeline.metrics.proportions import (
    chance_of_so_few,
    clustered_upper_bound,
    design_effect,
    intraclass_correlation,
    share_interval,
    upper_bound,
)


@given(st.integers(0, 80), st.integers(1, 80), st.floats(0.01, 0.6))
def test_whole_numbers_give_the_binomial_test(errors: int, more: int, share: float) -> None:
    count = errors + more
    assert chance_of_so_few(errors, count, share) == pytest.approx(binom.cdf(errors, count, share), rel=1e-9)
    expected = binomtest(errors, count, alternative="less").proportion_ci(0.95, "exact").high
    assert upper_bound(errors, count, 0.05) == pytest.approx(expected, abs=1e-9)


def test_numbers_in_between_lie_in_between() -> None:
    assert chance_of_so_few(3, 100, 0.05) < chance_of_so_few(3.5, 100, 0.05) < chance_of_so_few(4, 100, 0.05)
    assert chance_of_so_few(5, 5, 0.5) == upper_bound(5, 5, 0.05) == 1


def test_faces_that_are_copies_are_worth_one_and_independent_ones_all() -> None:
    groups = np.repeat(np.arange(50), 4)
    rng = np.random.default_rng(0)
    copies = np.repeat(rng.random(50) < 0.3, 4)
    assert intraclass_correlation(copies.astype(float), groups) == pytest.approx(1)
    assert design_effect(groups, 1.0) == pytest.approx(4)
    assert design_effect(groups, 0.0) == 1
    assert clustered_upper_bound(copies, groups) == pytest.approx(upper_bound(copies[::4].sum(), 50, 0.05))
    apart = [
        intraclass_correlation((np.random.default_rng(seed).random(200) < 0.3).astype(float), groups)
        for seed in range(40)
    ]
    assert np.mean(apart) < 0.06


def test_the_correlation_of_a_known_mixture_is_found() -> None:
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(3000), 3)
    values = np.repeat(rng.normal(size=3000), 3) * np.sqrt(0.4) + rng.normal(size=9000) * np.sqrt(0.6)
    assert intraclass_correlation(values, groups) == pytest.approx(0.4, abs=0.03)


def test_degenerate_groups() -> None:
    assert intraclass_correlation(np.array([0.0, 1.0]), np.array(["a", "a"])) == 1
    assert intraclass_correlation(np.array([0.0, 1.0]), np.array(["a", "b"])) == 0
    assert intraclass_correlation(np.zeros(4), np.array([1, 1, 2, 2])) == 0
    assert clustered_upper_bound(np.zeros(0, bool), np.zeros(0)) == 1


@given(st.integers(1, 400), st.floats(0.5, 0.99))
def test_a_share_of_none_or_all_has_an_exact_end_and_another_stays(count: int, confidence: float) -> None:
    groups = np.arange(count)
    none = share_interval(Interval(0.0, 0.0, 0.0), groups, confidence)
    exact = binomtest(0, count).proportion_ci(confidence, "exact")
    assert (none.value, none.low, none.high) == (0, 0, pytest.approx(exact.high))
    every = share_interval(Interval(1.0, 1.0, 1.0), groups, confidence)
    assert (every.value, every.low, every.high) == (1, pytest.approx(1 - exact.high), 1)
    some = Interval(0.25, 0.1, 0.4)
    assert share_interval(some, groups, confidence) == some
    undefined = share_interval(Interval(np.nan, np.nan, np.nan), groups, confidence)
    assert np.isnan(undefined).all()
    assert share_interval(Interval(0.0, 0.0, 0.0), groups[:0], confidence).high == 0
