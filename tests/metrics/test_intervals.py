from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import bootstrap as scipy_bootstrap

from deepfake_pipeline.metrics import intervals
from deepfake_pipeline.metrics.calibration import ece
from deepfake_pipeline.metrics.classification import accuracy, auroc
from deepfake_pipeline.metrics.intervals import Bootstrap, Interval, cluster_bootstrap, cluster_mean, paired_difference
from tests.metrics.cases import clustered

Floats = NDArray[np.float64]


def test_samples_equal_a_loop_that_repeats_the_rows_of_each_drawn_group() -> None:
    case, groups = clustered(12, seed=1)
    found = cluster_bootstrap(partial(auroc, case.labels, case.probability), groups, resamples=40, seed=7)
    names = sorted(set(groups))
    rng = np.random.Generator(np.random.PCG64(7))
    for sample in found.samples[:, 0]:
        drawn = [names[number] for number in rng.integers(len(names), size=len(names))]
        rows = np.concatenate([np.flatnonzero(groups == name) for name in drawn])
        assert sample == pytest.approx(auroc(case.labels[rows], case.probability[rows]), abs=1e-12)


def test_bca_and_percentile_equal_scipy_on_the_same_distribution() -> None:
    values = np.random.default_rng(2).exponential(size=30)
    for method in ("bca", "percentile"):
        found = cluster_mean(values, np.arange(30), resamples=1999, seed=3, method=method)  # type: ignore[arg-type]
        drawn = scipy_bootstrap((values,), np.mean, n_resamples=2, method="percentile")
        drawn.bootstrap_distribution = found.samples[:, 0]
        expected = scipy_bootstrap(
            (values,), np.mean, n_resamples=0, bootstrap_result=drawn, method=method, vectorized=True
        ).confidence_interval
        assert found.interval() == pytest.approx((values.mean(), expected.low, expected.high))


def test_groups_that_agree_wholly_give_the_value_itself() -> None:
    assert cluster_mean(np.full(6, 0.25), list("aabbcc"), resamples=50).interval() == Interval(0.25, 0.25, 0.25)


def test_one_group_has_a_value_and_no_interval() -> None:
    interval = cluster_mean([0.0, 1.0, 2.0], ["a", "a", "a"], resamples=50).interval()
    assert interval == pytest.approx((1.0, np.nan, np.nan), nan_ok=True)


def test_many_groups_of_one_give_the_textbook_interval_of_a_mean() -> None:
    values = np.random.default_rng(4).normal(size=2000)
    interval = cluster_mean(values, np.arange(2000), resamples=2000).interval()
    half = 1.96 * values.std() / np.sqrt(2000)
    assert interval.low == pytest.approx(values.mean() - half, abs=half * 0.1)
    assert interval.high == pytest.approx(values.mean() + half, abs=half * 0.1)


def _clustered_values(rng: np.random.Generator, groups: int, rows: int) -> Floats:
    return (rng.normal(size=groups)[:, None] + rng.normal(size=(groups, rows))).ravel()


def test_coverage_is_nominal_with_clusters_and_far_below_without() -> None:
    rng = np.random.default_rng(5)
    covered = {"clustered": 0, "naive": 0}
    groups = np.repeat(np.arange(40), 5)
    for study in range(250):
        values = _clustered_values(rng, 40, 5)
        for name, drawn in (("clustered", groups), ("naive", np.arange(200))):
            interval = cluster_mean(values, drawn, resamples=300, seed=study).interval()
            covered[name] += interval.low <= 0 <= interval.high
    assert 0.90 <= covered["clustered"] / 250 <= 0.98
    assert covered["naive"] / 250 < 0.80


def test_coverage_of_auroc_is_nominal() -> None:
    population, _ = clustered(100_000, seed=6)
    truth = float(auroc(population.labels, population.probability))
    covered = 0
    for study in range(150):
        case, groups = clustered(60, seed=1000 + study)
        statistic = partial(auroc, case.labels, case.probability)
        interval = cluster_bootstrap(statistic, groups, resamples=300, seed=study).interval()
        covered += interval.low <= truth <= interval.high
    assert 0.89 <= covered / 150 <= 0.99


def test_correlated_rows_widen_the_interval() -> None:
    values = _clustered_values(np.random.default_rng(7), 50, 10)
    wide = cluster_mean(values, np.repeat(np.arange(50), 10)).interval()
    narrow = cluster_mean(values, np.arange(500)).interval()
    assert wide.high - wide.low > 1.8 * (narrow.high - narrow.low)


def test_paired_differences_use_the_same_resamples_and_are_narrower() -> None:
    case, groups = clustered(150, seed=8)
    worse = np.clip(case.probability + np.random.default_rng(9).normal(0, 0.1, 300), 0, 1)
    clean, degraded = partial(auroc, case.labels, case.probability), partial(auroc, case.labels, worse)
    difference = paired_difference(clean, degraded, groups, resamples=400)
    apart = [cluster_bootstrap(one, groups, resamples=400) for one in (clean, degraded)]
    both = cluster_bootstrap([clean, degraded], groups, resamples=400)
    assert difference.interval() == apart[0].minus(apart[1]).interval()
    assert difference.interval() == both.column(0).minus(both.column(1)).interval()
    assert both.intervals()[0] == apart[0].interval()
    widths = [one.interval().high - one.interval().low for one in (difference, *apart)]
    assert widths[0] < min(widths[1:])
    assert paired_difference(clean, clean, groups, resamples=50).interval() == Interval(0, 0, 0)


def test_the_result_depends_on_the_seed_and_not_on_row_order_or_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    case, groups = clustered(30, seed=10)
    first = cluster_bootstrap(partial(accuracy, case.labels, case.probability), groups, resamples=100, seed=1)
    order = np.random.default_rng(0).permutation(60)
    shuffled = cluster_bootstrap(
        partial(accuracy, case.labels[order], case.probability[order]), groups[order], resamples=100, seed=1
    )
    monkeypatch.setattr(intervals, "CHUNK_WEIGHTS", 7 * 60)
    chunked = cluster_bootstrap(partial(accuracy, case.labels, case.probability), groups, resamples=100, seed=1)
    other = cluster_bootstrap(partial(accuracy, case.labels, case.probability), groups, resamples=100, seed=2)
    assert np.array_equal(first.samples, shuffled.samples)
    assert np.array_equal(first.samples, chunked.samples)
    assert np.array_equal(first.left_out, chunked.left_out)
    assert not np.array_equal(first.samples, other.samples)


def test_memory_is_bounded_by_the_chunks() -> None:
    seen: list[int] = []

    def statistic(weights: Floats) -> Floats:
        seen.append(weights.size)
        return weights[:, 0]

    cluster_bootstrap(statistic, np.arange(3000) % 500, resamples=400)
    assert max(seen) <= intervals.CHUNK_WEIGHTS


def test_more_groups_than_jackknife_blocks_change_the_interval_little() -> None:
    values = np.random.default_rng(11).exponential(size=700)
    statistic = partial(lambda v, w: w @ v / w.sum(axis=1), values)
    blocked = cluster_bootstrap(statistic, np.arange(700), resamples=500)
    assert len(blocked.left_out) == intervals.JACKKNIFE_BLOCKS
    pull = values - values.mean()
    acceleration = np.sum(pull**3) / (6 * np.sum(pull**2) ** 1.5)
    by_hand = blocked.left_out.mean() - blocked.left_out
    assert np.sum(by_hand**3) / (6 * np.sum(by_hand**2) ** 1.5) == pytest.approx(acceleration, rel=0.5)


def test_a_statistic_that_is_never_defined_has_no_interval() -> None:
    found = cluster_bootstrap(partial(auroc, [1, 1], [0.2, 0.4]), ["a", "b"], resamples=20)
    assert np.isnan(found.interval()).all()
    assert found.dropped.tolist() == [20]


@pytest.mark.parametrize(
    ("groups", "keywords", "message"),
    [
        ([], {}, "at least one row"),
        (["a"], {"resamples": 0}, "resamples=0"),
        (["a"], {"confidence": 95}, "confidence=95"),
    ],
)
def test_bad_requests_are_named(groups: list[str], keywords: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cluster_mean(np.zeros(len(groups)), groups, **keywords)  # type: ignore[arg-type]


def test_infinite_values_cannot_be_averaged() -> None:
    with pytest.raises(ValueError, match="nan or infinity"):
        cluster_mean([1.0, np.inf], ["a", "b"])


def test_columns_share_the_resamples() -> None:
    values = np.random.default_rng(12).normal(size=(40, 3))
    found = cluster_mean(values, np.arange(40), resamples=60)
    assert found.samples.shape == (60, 3)
    alone = cluster_mean(values[:, 1], np.arange(40), resamples=60)
    assert found.intervals()[1] == pytest.approx(alone.interval())


def test_the_basic_interval_covers_an_ece_that_bca_does_not() -> None:
    def draw(groups: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        labels = np.tile([0, 1], 4 * groups)
        score = (2 * labels - 1) * 0.6 + rng.normal(size=len(labels))  # the true log-odds are 1.2 times the score
        return labels, 1 / (1 + np.exp(-1.8 * score)), np.repeat(np.arange(groups), 8)

    labels, probability, _ = draw(50_000, np.random.default_rng(0))
    truth = float(ece(labels, probability))
    covered = {True: 0, False: 0}
    for seed in range(60):
        labels, probability, groups = draw(20, np.random.default_rng(seed))
        bootstrap = cluster_bootstrap(partial(ece, labels, probability), groups, resamples=300, seed=seed)
        for basic in covered:
            low, high = replace(bootstrap, basic=basic).interval()[1:]
            covered[basic] += low <= truth <= high
    assert covered[True] / 60 > 0.75
    assert covered[False] / 60 < 0.3


def test_the_interval_of_a_calibrated_score_holds_its_ece_and_the_debiased_one_is_nearer_to_the_truth() -> None:
    plain, debiased = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        score = rng.random(120)
        labels, groups = (rng.random(120) < score).astype(int), np.arange(120) // 2  # the true ECE is 0
        bootstrap = replace(
            cluster_bootstrap(partial(ece, labels, score), groups, resamples=200, seed=seed, method="percentile"),
            basic=True,
        )
        for one, values in ((bootstrap, plain), (bootstrap.debiased, debiased)):
            interval = one.interval()
            assert interval.low <= interval.value <= interval.high
            values.append(interval.value)
    assert np.mean(debiased) < 0.75 * np.mean(plain)


def test_debiasing_is_the_bootstrap_correction_and_stays_at_least_zero() -> None:
    samples = np.array([[0.5], [0.7], [np.nan]])
    found = Bootstrap(np.array([0.4]), samples, np.zeros((0, 1)), 0.95).debiased
    assert found.value[0] == pytest.approx(2 * 0.4 - 0.6)
    far = Bootstrap(np.array([0.1]), samples, np.zeros((0, 1)), 0.95).debiased
    assert far.interval() == Interval(0, 0, 0)
