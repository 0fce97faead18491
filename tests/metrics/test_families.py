import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_pipeline.metrics.families import bootstrap_p, holm
from deepfake_pipeline.metrics.intervals import Bootstrap, cluster_mean


def step_down(p: list[float], level: float) -> set[int]:
    """Holm's procedure as he describes it: which hypotheses are rejected at a level."""
    rejected: set[int] = set()
    for rank, index in enumerate(sorted(range(len(p)), key=lambda index: (p[index], index))):
        if p[index] * (len(p) - rank) > level:
            break
        rejected.add(index)
    return rejected


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=12), st.sampled_from([0.01, 0.05, 0.2]))
def test_adjusted_values_reject_what_the_procedure_rejects(thousandths: list[int], level: float) -> None:
    p = [number / 1000 for number in thousandths]
    adjusted = holm(p)
    assert {index for index, value in enumerate(adjusted) if value <= level} == step_down(p, level)
    assert np.all((adjusted >= p) & (adjusted <= 1))


def test_what_is_not_defined_is_no_member_of_the_family() -> None:
    assert holm([0.02, np.nan, 0.5]) == pytest.approx([0.04, np.nan, 0.5], nan_ok=True)
    assert holm([]).tolist() == []


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
