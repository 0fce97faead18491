from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from deepfake_pipeline.metrics.classification import auroc
from deepfake_pipeline.metrics.clustered_auroc import clustered_auroc, mean_wins, pair_wins
from deepfake_pipeline.metrics.intervals import cluster_bootstrap, paired_difference
from tests.metrics.cases import cases, clustered


def delong_by_definition(labels, scores):
    """DeLong, DeLong and Clarke-Pearson 1988, equations 4 to 6, as loops over pairs."""
    forged, real = scores[labels == 1], scores[labels == 0]
    kernel = np.array([[(x > y) + 0.5 * (x == y) for y in real] for x in forged])  # (m, n, M)
    v10, v01 = kernel.mean(axis=1), kernel.mean(axis=0)
    return np.cov(v10.T, ddof=1) / len(forged) + np.cov(v01.T, ddof=1) / len(real)


def two_scores(rows, seed, tied=False):
    rng = np.random.default_rng(seed)
    labels = (np.arange(rows) % 3 == 0).astype(int)
    first = labels + rng.normal(size=rows)
    second = 0.5 * labels + 0.6 * first + rng.normal(size=rows)
    scores = np.column_stack([first, second])
    return labels, np.round(scores) if tied else scores


@pytest.mark.parametrize("tied", [False, True])
def test_groups_of_one_give_delong_by_its_definition(tied):
    labels, scores = two_scores(60, seed=1, tied=tied)
    found = clustered_auroc(labels, scores, np.arange(60))
    assert found.covariance == pytest.approx(delong_by_definition(labels, scores), rel=1e-9)
    assert found.value == pytest.approx([roc_auc_score(labels, column) for column in scores.T])


@given(cases())
def test_the_value_is_the_auroc(case):
    groups = np.arange(len(case.labels)) // 2
    if 0 < case.labels.sum() < len(case.labels):
        assert clustered_auroc(case.labels, case.probability, groups).value[0] == pytest.approx(
            auroc(case.labels, case.probability)
        )


def test_a_copy_of_every_face_in_its_group_changes_nothing():
    labels, scores = two_scores(60, seed=2)
    groups = np.arange(60) // 3
    once = clustered_auroc(labels, scores, groups)
    twice = clustered_auroc(np.tile(labels, 2), np.tile(scores, (2, 1)), np.tile(groups, 2))
    assert twice.covariance == pytest.approx(once.covariance, rel=1e-9)


@pytest.mark.parametrize("groups", [60, 200])
def test_it_agrees_with_the_bootstrap_over_groups(groups):
    case, names = clustered(groups, seed=3)
    other = case.probability + 0.4 * np.random.default_rng(4).normal(size=2 * groups)
    found = clustered_auroc(case.labels, np.column_stack([case.probability, other]), names)
    statistics = [partial(auroc, case.labels, case.probability), partial(auroc, case.labels, _ranks(other))]
    drawn = cluster_bootstrap(statistics, names, resamples=4000, method="percentile").samples
    assert np.sqrt(np.diag(found.covariance)) == pytest.approx(drawn.std(axis=0), rel=0.1)
    interval = found.contrast([1, -1]).interval
    bootstrapped = paired_difference(*statistics, names, resamples=4000, method="percentile").interval()
    width = bootstrapped.high - bootstrapped.low
    assert interval.value == pytest.approx(bootstrapped.value)
    assert interval.low == pytest.approx(bootstrapped.low, abs=0.1 * width)
    assert interval.high == pytest.approx(bootstrapped.high, abs=0.1 * width)


def _ranks(values):
    return np.argsort(np.argsort(values)) / len(values)


def test_shared_noise_within_groups_widens_where_plain_delong_does_not_see_it():
    rng = np.random.default_rng(5)
    groups, size = 40, 8
    labels = np.repeat(np.arange(groups) % 2, size)
    scores = labels + 2 * np.repeat(rng.normal(size=groups), size) + 0.3 * rng.normal(size=groups * size)
    clustered_variance = clustered_auroc(labels, scores, np.repeat(np.arange(groups), size)).covariance[0, 0]
    plain = clustered_auroc(labels, scores, np.arange(groups * size)).covariance[0, 0]
    assert clustered_variance > 4 * plain


def test_p_values_of_scores_without_a_difference_are_uniform():
    """2,000 studies of 40 groups in which neither score is better: 5 % below 0.05, 3 standard errors are 1.5 %."""
    rng = np.random.default_rng(6)
    labels, names = np.tile([0, 1], 40), np.repeat(np.arange(40), 2)
    rejected = 0
    for _ in range(2000):
        shared = np.repeat(rng.normal(size=40), 2)
        scores = labels[:, None] + shared[:, None] + rng.normal(size=(80, 2))
        rejected += clustered_auroc(labels, scores, names).contrast([1, -1]).p_value < 0.05
    assert rejected / 2000 == pytest.approx(0.05, abs=0.015)


def test_with_many_groups_the_interval_is_the_normal_one():
    labels, scores = two_scores(6000, seed=7)
    found = clustered_auroc(labels, scores, np.arange(6000))
    contrast = found.contrast([1, -1], confidence=0.9)
    error = np.sqrt(np.array([1, -1]) @ found.covariance @ [1, -1])
    assert contrast.interval.high - contrast.interval.value == pytest.approx(norm.ppf(0.95) * error, rel=1e-3)
    assert contrast.p_value == pytest.approx(2 * norm.sf(abs(contrast.interval.value) / error), rel=0.02, abs=1e-12)


def test_what_is_not_defined_is_nan_and_equal_scores_do_not_differ():
    labels, scores = two_scores(30, seed=8)
    same = clustered_auroc(labels, np.column_stack([scores[:, 0]] * 2), np.arange(30)).contrast([1, -1])
    assert same == ((0.0, 0.0, 0.0), 1.0)
    assert np.isnan(clustered_auroc(np.ones(30), scores, np.arange(30)).value).all()
    assert np.isnan(clustered_auroc(labels, scores, np.zeros(30)).contrast([1, -1]).p_value)
    perfect = clustered_auroc(labels, np.column_stack([labels, np.zeros(30)]), np.arange(30)).contrast([1, -1])
    assert perfect.interval.value == 0.5
    assert np.isnan(perfect.p_value)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="groups"):
        clustered_auroc([0, 1], [0.1, 0.2], [1, 2, 3])
    with pytest.raises(ValueError, match="labels"):
        clustered_auroc([0, 2], [0.1, 0.2], [1, 2])


@given(cases(), st.integers(0, 100))
def test_the_weighted_mean_of_wins_is_the_weighted_auroc(case, seed):
    weights = np.vstack([case.weights, np.random.default_rng(seed).integers(0, 3, len(case.labels)), case.weights * 0])
    found = mean_wins(pair_wins(case.labels, case.probability), case.labels, weights.astype(float))
    assert found == pytest.approx(auroc(case.labels, case.probability, weights), nan_ok=True)
