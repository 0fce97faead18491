import time

import numpy as np
import pytest

from deepfake_pipeline.metrics import calibration, classification
from deepfake_pipeline.metrics.detection import (
    CONFUSION_CELLS,
    DETECTION_METRICS,
    detection_bootstrap,
    detection_metrics,
)
from tests.metrics.cases import clustered


def test_every_figure_is_that_of_its_own_function() -> None:
    case, _ = clustered(50, seed=4)
    figures = detection_metrics(case.labels, case.probability, threshold=0.4)
    assert set(figures) == {*DETECTION_METRICS, *CONFUSION_CELLS}
    at_threshold = ("accuracy", "balanced_accuracy", "precision", "recall", "f1")
    for name in DETECTION_METRICS:
        function = getattr(classification, name, None) or getattr(calibration, name)
        keywords = {"threshold": 0.4} if name in at_threshold else {}
        assert figures[name] == pytest.approx(function(case.labels, case.probability, **keywords)), name


def test_intervals_hold_their_values_and_the_cells_add_up() -> None:
    case, groups = clustered(200, seed=5)
    found = detection_bootstrap(case.labels, case.probability, groups, resamples=300, seed=1)
    for name, bootstrap in found.items():
        interval = bootstrap.interval()
        assert interval.low <= interval.value <= interval.high, name
        assert bootstrap.dropped.tolist() == [0]
    assert sum(found[cell].value[0] for cell in CONFUSION_CELLS) == 400


def test_resamples_without_forged_faces_are_counted_figure_by_figure() -> None:
    labels, probability, groups = [0, 0, 0, 1], [0.1, 0.2, 0.6, 0.9], ["a", "b", "c", "d"]
    found = detection_bootstrap(labels, probability, groups, resamples=500)
    none_forged = 500 * 0.75**4
    assert found["recall"].dropped[0] == pytest.approx(none_forged, abs=60)
    assert found["auroc"].dropped[0] > found["recall"].dropped[0]
    assert found["accuracy"].dropped[0] == 0
    assert np.isfinite(found["auroc"].interval()).all()


def test_all_figures_of_two_thousand_faces_take_seconds_not_minutes() -> None:
    case, groups = clustered(1050, seed=6)
    start = time.process_time()
    detection_bootstrap(case.labels, case.probability, groups, resamples=2000)
    assert time.process_time() - start < 10  # 0.3 s on one core when nothing else runs
