"""DeLong's covariance against its definition, and against resampling."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.stats import mannwhitneyu

from deepfake_pipeline.metrics.classification import auroc
from deepfake_pipeline.metrics.delong import auroc_difference, delong
from deepfake_pipeline.metrics.intervals import cluster_bootstrap, paired_difference
from tests.metrics.cases import Case, cases


def by_definition(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """DeLong et al. 1988, equations 3 to 6, pair by pair."""
    forged, real = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    psi = np.array([[[(s[i] > s[j]) + (s[i] == s[j]) / 2 for j in real] for i in forged] for s in scores])
    v10, v01 = psi.mean(axis=2), psi.mean(axis=1)
    return np.cov(v10) / len(forged) + np.cov(v01) / len(real)


def clustered_scores(groups: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels, names = np.tile([0, 1, 1, 0], groups), np.repeat(np.arange(groups), 4)
    shared = np.repeat(rng.normal(size=(2, groups)), 4, axis=1)
    own = rng.normal(size=(2, 4 * groups))
    return labels, np.array([[1.2], [0.8]]) * labels + 1.5 * shared[0] * labels + shared + own, names


def test_the_covariance_is_that_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 40)
    scores = np.round(rng.normal(size=(3, 40)) + labels, 1)  # ties
    found = delong(labels, scores)
    assert found.covariance == pytest.approx(by_definition(labels, scores))


@given(cases())
@settings(max_examples=100, deadline=None)
def test_the_value_is_the_auroc(case: Case) -> None:
    labels, probability = case.labels, case.probability
    if len(np.unique(labels)) < 2:
        return
    statistic = mannwhitneyu(probability[labels == 1], probability[labels == 0]).statistic
    expected = statistic / (labels.sum() * (1 - labels).sum())
    assert delong(labels, probability).value[0] == pytest.approx(expected)


def test_groups_give_the_spread_of_a_clustered_bootstrap_and_not_that_of_single_faces() -> None:
    rng = np.random.default_rng(1)
    labels, groups = np.repeat(np.arange(300) % 2, 4), np.repeat(np.arange(300), 4)  # every group is of one class
    scores = [labels + np.repeat(rng.normal(size=300), 4) + rng.normal(size=1200)]
    spread = np.sqrt(delong(labels, scores[0], groups).covariance[0, 0])
    samples = cluster_bootstrap(partial(auroc, labels, scores[0]), groups, resamples=1500).samples
    assert spread == pytest.approx(samples.std(), rel=0.1)
    assert spread > 1.1 * np.sqrt(delong(labels, scores[0]).covariance[0, 0])


def test_a_difference_is_that_of_a_paired_bootstrap() -> None:
    labels, scores, groups = clustered_scores(150, 2)
    found = auroc_difference(labels, *scores, groups)
    statistics = [partial(auroc, labels, one) for one in scores]
    other = paired_difference(*statistics, groups, resamples=1500, method="percentile").interval()
    assert found.interval.value == pytest.approx(other.value)
    width = found.interval.high - found.interval.low
    assert abs(found.interval.low - other.low) < 0.15 * width
    assert abs(found.interval.high - other.high) < 0.15 * width
    assert (found.p < 0.05) == (found.interval.low > 0 or found.interval.high < 0)


def test_without_a_difference_five_in_a_hundred_are_called_one() -> None:
    called = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        labels, groups = np.tile([0, 1], 60), np.repeat(np.arange(60), 2)
        shared = np.repeat(rng.normal(size=60), 2)
        first, second = labels + shared + rng.normal(size=(2, 120))
        called += auroc_difference(labels, first, second, groups).p < 0.05
    assert 2 <= called <= 20  # 10 expected; P(outside) < 0.003


def test_what_is_not_defined_is_nan_and_what_is_equal_is_no_difference() -> None:
    assert np.isnan(delong([1, 1], [0.1, 0.2]).value).all()
    one_group = delong([0, 1, 1], [0.1, 0.2, 0.3], ["a", "a", "b"])
    assert one_group.value[0] == 1
    assert np.isnan(one_group.covariance).all()
    same = auroc_difference([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], [0.1, 0.6, 0.4, 0.9])
    assert (same.interval.value, same.p) == (0, 1)
    with pytest.raises(ValueError, match="one column a face"):
        delong([0, 1], [[0.1, 0.2, 0.3]])
