import numpy as np
import pytest
from hypothesis import given, settings
from scipy.stats import mannwhitneyu
from sklearn import metrics as sk

from deepfake_pipeline.metrics import classification as c
from tests.metrics.cases import Case, cases, clustered

SCALARS = (
    c.accuracy,
    c.balanced_accuracy,
    c.precision,
    c.recall,
    c.f1,
    c.auroc,
    c.average_precision,
    c.eer,
    c.log_loss,
    c.brier,
)


@given(cases())
@settings(max_examples=150, deadline=None)
def test_rates_at_a_threshold_equal_scikit_learn(case: Case) -> None:
    labels, probability, weights = case
    called = (probability >= 0.4).astype(int)
    kwargs = {"sample_weight": weights}
    expected = {
        c.accuracy: sk.accuracy_score(labels, called, **kwargs),
        c.balanced_accuracy: sk.balanced_accuracy_score(labels, called, **kwargs),
        c.precision: sk.precision_score(labels, called, zero_division=0.0, **kwargs),
        c.recall: sk.recall_score(labels, called, **kwargs),
        c.f1: sk.f1_score(labels, called, **kwargs),
    }
    for function, value in expected.items():
        assert function(labels, probability, weights, threshold=0.4) == pytest.approx(value), function.__name__
    cells = c.confusion(labels, probability, weights, threshold=0.4)
    assert np.array(cells) == pytest.approx(sk.confusion_matrix(labels, called, **kwargs).ravel())


@given(cases())
@settings(max_examples=150, deadline=None)
def test_figures_over_all_thresholds_equal_scikit_learn(case: Case) -> None:
    labels, probability, weights = case
    kwargs = {"sample_weight": weights}
    clipped = np.clip(probability, c.PROBABILITY_FLOOR, 1 - c.PROBABILITY_FLOOR)
    expected = {
        c.auroc: sk.roc_auc_score(labels, probability, **kwargs),
        c.average_precision: sk.average_precision_score(labels, probability, **kwargs),
        c.log_loss: sk.log_loss(labels, clipped, **kwargs),
        c.brier: sk.brier_score_loss(labels, probability, **kwargs),
    }
    for function, value in expected.items():
        assert function(labels, probability, weights) == pytest.approx(value), function.__name__


@given(cases())
@settings(max_examples=100, deadline=None)
def test_curves_equal_scikit_learn(case: Case) -> None:
    labels, probability, weights = case
    held = weights > 0  # scikit-learn's ROC drops faces of weight 0, its precision-recall curve does not
    fpr, tpr, thresholds = sk.roc_curve(
        labels[held], probability[held], sample_weight=weights[held], drop_intermediate=False
    )
    roc = c.roc_curve(labels[held], probability[held], weights[held])
    for ours, theirs in zip(roc, (fpr, tpr, thresholds), strict=True):
        assert ours == pytest.approx(theirs)
    precision, recall, _ = sk.precision_recall_curve(labels[held], probability[held], sample_weight=weights[held])
    ours_pr = c.precision_recall_curve(labels[held], probability[held], weights[held])
    assert ours_pr.precision == pytest.approx(precision[::-1])
    assert ours_pr.recall == pytest.approx(recall[::-1])


@given(cases())
@settings(max_examples=100, deadline=None)
def test_auroc_is_mann_whitney_with_half_ties(case: Case) -> None:
    real, forged = case.probability[case.labels == 0], case.probability[case.labels == 1]
    u = mannwhitneyu(forged, real).statistic
    assert c.auroc(case.labels, case.probability) == pytest.approx(u / (len(real) * len(forged)))


@given(cases())
@settings(max_examples=100, deadline=None)
def test_eer_lies_on_the_roc_polyline(case: Case) -> None:
    curve = c.roc_curve(*case)
    eer = float(c.eer(*case))
    gap = curve.fpr + curve.tpr - 1  # interpolating the polyline as a function of the rising gap
    rising = np.concatenate([[True], np.diff(gap) > 0])
    assert eer == pytest.approx(np.interp(0.0, gap[rising], curve.fpr[rising]))


@given(cases(both_classes=False))
@settings(max_examples=60, deadline=None)
def test_whole_weights_are_repeated_rows_and_a_matrix_is_its_rows(case: Case) -> None:
    labels, probability, _ = case
    counts = np.random.default_rng(len(labels)).integers(0, 3, size=(5, len(labels)))
    rows = [np.repeat(np.arange(len(labels)), count) for count in counts]
    for function in SCALARS:
        matrix = function(labels, probability, counts)
        assert matrix.shape == (5,)
        repeated = [function(labels[row], probability[row]) for row in rows]
        assert matrix == pytest.approx(np.array(repeated), nan_ok=True), function.__name__


def test_a_class_without_weight_gives_nan_where_the_figure_needs_it() -> None:
    probability = np.array([0.2, 0.7, 0.6])
    needs_both = {c.balanced_accuracy, c.auroc, c.eer}
    needs_forged = needs_both | {c.recall, c.f1, c.average_precision}
    for function in SCALARS:
        only_real, only_forged = function([0, 0, 0], probability), function([1, 1, 1], probability)
        assert np.isnan(only_real) == (function in needs_forged), function.__name__
        assert np.isnan(only_forged) == (function in needs_both), function.__name__
        assert np.isnan(function([0, 1, 1], probability, np.zeros(3))), function.__name__
        assert np.isnan(function([], [])), function.__name__


def test_a_detector_that_calls_nothing_forged_has_precision_and_f1_zero() -> None:
    assert c.precision([0, 1], [0.1, 0.2]) == 0
    assert c.f1([0, 1], [0.1, 0.2]) == 0


def test_the_threshold_itself_is_called_forged() -> None:
    assert c.confusion([1], [0.5]).tp == 1


def test_curves_of_one_class_are_refused() -> None:
    with pytest.raises(ValueError, match="both real and forged"):
        c.roc_curve([1, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="needs forged"):
        c.precision_recall_curve([0, 0], [0.1, 0.2])
    with pytest.raises(ValueError, match="one weight vector"):
        c.roc_curve([0, 1], [0.1, 0.2], np.ones((2, 2)))


@pytest.mark.parametrize(
    ("labels", "probability", "weights", "message"),
    [
        ([0, 1], [0.5], None, "one length"),
        ([0, 2], [0.5, 0.5], None, "labels must be 0"),
        ([0, 1], [0.5, 1.5], None, "in \\[0, 1\\]"),
        ([0, 1], [0.5, np.nan], None, "nan"),
        ([0, 1], [0.5, 0.5], [1.0], "one column a face"),
        ([0, 1], [0.5, 0.5], [1.0, -1.0], "not negative"),
        ([0, 1], [0.5, 0.5], [1.0, np.nan], "finite"),
    ],
)
def test_bad_input_is_named(labels: list[int], probability: list[float], weights: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        c.brier(labels, probability, weights)  # type: ignore[arg-type]


def test_rank_figures_take_logits_and_depend_on_order_alone() -> None:
    case, _ = clustered(200, seed=1)
    logits = np.log(case.probability / (1 - case.probability))
    for function in (c.auroc, c.average_precision, c.eer):
        assert function(case.labels, logits) == function(case.labels, case.probability)
