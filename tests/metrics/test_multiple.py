import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_pipeline.metrics.intervals import Bootstrap, cluster_mean
from deepfake_pipeline.metrics.multiple import bootstrap_p, holm

FAMILIES = st.lists(st.floats(0, 1), max_size=12)


def step_down(p_values, level):
    """Holm 1979 as it is told: from the smallest on, until one is not small enough."""
    rejected = [False] * len(p_values)
    for step, number in enumerate(sorted(range(len(p_values)), key=lambda one: p_values[one])):
        if p_values[number] > level / (len(p_values) - step):
            break
        rejected[number] = True
    return rejected


@given(FAMILIES, st.sampled_from([0.001, 0.01, 0.05, 0.2]))
def test_adjusted_values_reject_what_the_procedure_rejects(p_values, level):
    adjusted = holm(p_values)
    apart = np.abs(adjusted - level) > 1e-9  # on the edge itself the last bit of a product decides
    assert np.array_equal((adjusted <= level)[apart], np.array(step_down(p_values, level), bool)[apart])


@given(FAMILIES)
def test_adjusted_values_keep_the_order_and_only_grow(p_values):
    adjusted = holm(p_values)
    assert np.all(adjusted >= np.array(p_values))
    assert np.all(adjusted <= 1)
    order = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(adjusted[order]) >= 0)


def test_a_test_without_a_value_counts_and_stays_without():
    assert holm([0.01, np.nan]) == pytest.approx([0.02, np.nan], nan_ok=True)


def test_what_is_no_p_value_is_refused():
    with pytest.raises(ValueError, match="0 to 1"):
        holm([0.5, 1.5])


def test_a_family_without_effects_is_called_one_seldom() -> None:
    rng = np.random.default_rng(0)
    called = sum(np.any(holm(rng.random(20)) <= 0.05) for _ in range(1000))
    assert called == pytest.approx(50, abs=25)


def test_the_p_of_a_bootstrap_is_near_that_of_a_normal_mean() -> None:
    from scipy.stats import norm

    values = np.random.default_rng(1).normal(0.15, 1, 200)
    found = bootstrap_p(cluster_mean(values, np.arange(200), resamples=4000))
    expected = 2 * norm.sf(abs(values.mean()) / (values.std() / np.sqrt(200)))
    assert found == pytest.approx(expected, rel=0.25)


def test_no_p_is_zero_and_one_that_is_not_defined_is_nan() -> None:
    far = Bootstrap(np.array([5.0]), np.full((99, 1), 5.0), np.zeros((0, 1)), 0.95)
    assert bootstrap_p(far) == pytest.approx(0.02)
    nothing = Bootstrap(np.array([np.nan]), np.full((99, 1), np.nan), np.zeros((0, 1)), 0.95)
    assert np.isnan(bootstrap_p(nothing))
