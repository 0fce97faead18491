import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from deepfake_pipeline.reporting.study import Resampling, counted, measure_study
from tests.reporting.studies import SHIFT, planted, true_auroc

RESAMPLING = Resampling(400, 0.95, 0)
GAINS = {"best_classical": 0.0, "enhancer": 0.6, "joint": -0.5}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return planted(tmp_path_factory.mktemp("study") / "scores", GAINS, control=0.8)


@pytest.fixture(scope="module")
def figures(table):
    return measure_study(table, RESAMPLING)


def cells_of(figures, repair, training="plain"):
    return [
        cell
        for cell in figures["cells"]
        if (cell["repair"], cell["training"]) == (repair, training) and cell["degradation"] != "clean"
    ]


def test_a_planted_gain_is_found_in_every_cell_with_its_size(figures):
    for repair, verdict in (("enhancer", "helps"), ("joint", "hurts"), ("best_classical", "undetectable")):
        for cell in cells_of(figures, repair):
            shift = SHIFT[cell["severity"]]
            truth = true_auroc((shift + GAINS[repair]) / np.sqrt(1.04 if GAINS[repair] else 1)) - true_auroc(shift)
            change = cell["change"]
            width = change["high"] - change["low"]
            assert cell["verdict"] == verdict, cell
            assert change["value"] == pytest.approx(truth, abs=max(width, 1e-12)), "four standard errors"


def test_values_are_those_of_scikit_learn_on_the_rows(figures, table):
    rows = table.read()
    for cell in figures["cells"]:
        same = np.logical_and.reduce(
            [rows[name] == cell[name] for name in ("degradation", "severity", "repair", "detector", "training")]
        )
        assert cell["auroc"]["value"] == pytest.approx(roc_auc_score(rows[same].label, rows[same].logit))
        assert cell["faces"] == 600


def test_p_values_are_corrected_over_all_degraded_cells(figures):
    family = [c for c in figures["cells"] if c["repair"] != "none" and c["degradation"] != "clean"]
    assert len(family) == 3 * 3 * 2
    smallest = min(family, key=lambda cell: cell["p_value"])
    assert smallest["p_adjusted"] == pytest.approx(len(family) * smallest["p_value"])
    assert all(cell["p_adjusted"] >= cell["p_value"] for cell in family)
    clean = [c for c in figures["cells"] if c["degradation"] == "clean" and c["repair"] != "none"]
    assert {(cell["p_adjusted"], cell["verdict"]) for cell in clean} == {(None, "undetectable")}


def test_verdicts_are_counted(figures):
    assert counted(figures["cells"]) == {"helps": 6, "hurts": 6, "undetectable": 6}


def test_means_are_means_over_cells(figures):
    for training, rows in figures["headline"]["by_training"].items():
        for repair, row in rows.items():
            cells = cells_of(figures, repair, training)
            assert row["auroc"]["value"] == pytest.approx(np.mean([cell["auroc"]["value"] for cell in cells]))
            if repair != "none":
                assert row["change"]["value"] == pytest.approx(np.mean([c["change"]["value"] for c in cells]))
                assert row["change"]["low"] <= row["change"]["value"] <= row["change"]["high"]
    plain, control = (
        figures["headline"]["by_training"][name]["none"]["auroc"]["value"] for name in ("plain", "control")
    )
    assert figures["headline"]["training"]["change"]["value"] == pytest.approx(control - plain)


def test_the_mean_is_known_better_than_a_cell(figures):
    mean = figures["headline"]["by_training"]["plain"]["enhancer"]["change"]
    widths = [cell["change"]["high"] - cell["change"]["low"] for cell in cells_of(figures, "enhancer")]
    assert mean["high"] - mean["low"] < min(widths)


def test_means_have_the_planted_verdicts(figures):
    rows = figures["headline"]["by_training"]["plain"]
    verdicts = {name: row["verdict"] for name, row in rows.items() if name != "none"}
    assert verdicts == {"best_classical": "undetectable", "enhancer": "helps", "joint": "hurts"}
    assert figures["headline"]["training"]["verdict"] == "helps"


def test_repairs_are_compared_with_each_other_and_corrected_as_a_family(figures):
    rows = figures["headline"]["by_training"]["plain"]
    pairs = figures["headline"]["between"]["plain"]
    assert [(pair["repair"], pair["less"]) for pair in pairs] == [
        ("best_classical", "enhancer"), ("best_classical", "joint"), ("enhancer", "joint")
    ]  # fmt: skip
    assert [pair["verdict"] for pair in pairs] == ["hurts", "helps", "helps"]
    for pair in pairs:
        difference = rows[pair["repair"]]["auroc"]["value"] - rows[pair["less"]]["auroc"]["value"]
        assert pair["change"]["value"] == pytest.approx(difference)
        assert pair["change"]["low"] < difference < pair["change"]["high"]
    assert list(figures["headline"]["between"]) == ["control", "plain"]


def test_a_repair_of_fewer_faces_is_compared_on_those_alone(tmp_path):
    table = planted(tmp_path / "scores", {"best_classical": 0.6}, slow=100, trainings=("plain",))
    figures = measure_study(table, RESAMPLING)
    assert figures["faces"] == {"test": 600, "groups": 300, "slow": 200}
    rows = table.read()
    few = rows[(rows.severity == 5) & (rows.repair == "best_classical")]
    same = rows[(rows.severity == 5) & (rows.repair == "none") & rows.face_id.isin(few.face_id)]
    truth = roc_auc_score(few.label, few.logit) - roc_auc_score(same.label, same.logit)
    cells = {cell["severity"]: cell for cell in cells_of(figures, "best_classical")}
    assert cells[5]["faces"] == 200
    assert cells[5]["change"]["value"] == pytest.approx(truth)
    mean = figures["headline"]["by_training"]["plain"]["best_classical"]["change"]["value"]
    assert mean == pytest.approx(np.mean([cell["change"]["value"] for cell in cells.values()]))


def test_means_of_a_repair_of_fewer_faces_can_be_compared(tmp_path):
    """The faces that it was done to may be harder or easier than all."""
    table = planted(tmp_path / "scores", {"best_classical": 0.6, "enhancer": 0.6}, slow=30, control=0.4)
    figures = measure_study(table, RESAMPLING)
    headline, rows = figures["headline"], table.read()

    def auroc(training, repair, few):
        parts = []
        for severity, part in rows[(rows.training == training) & (rows.degradation != "clean")].groupby("severity"):
            done = part[part.repair == "best_classical"].face_id
            some = part[(part.repair == repair) & (part.face_id.isin(done) if few and severity == 5 else True)]
            parts.append(roc_auc_score(some.label, some.logit))
        return np.mean(parts)

    change = auroc("plain", "best_classical", True) - auroc("plain", "none", True)
    found = headline["by_training"]["plain"]
    assert found["best_classical"]["auroc"]["value"] == pytest.approx(auroc("plain", "none", False) + change)
    assert found["enhancer"]["auroc"]["value"] == pytest.approx(auroc("plain", "enhancer", False))
    (pair,) = headline["between"]["plain"]
    difference = auroc("plain", "best_classical", True) - auroc("plain", "enhancer", True)
    assert pair["change"]["value"] == pytest.approx(difference)
    assert pair["verdict"] == "undetectable"
    over = headline["training_over"]
    instead = auroc("control", "none", True) - auroc("plain", "best_classical", True)
    assert over["best_classical"]["change"]["value"] == pytest.approx(instead)
    assert abs(instead - auroc("control", "none", False) + auroc("plain", "best_classical", True)) > 0.001
    assert over["enhancer"]["change"]["value"] == pytest.approx(
        auroc("control", "none", False) - auroc("plain", "enhancer", False)
    )


def test_without_any_effect_the_family_stays_quiet(tmp_path):
    table = planted(tmp_path / "scores", {"enhancer": 1e-9}, trainings=("plain",), detectors=("a", "b", "c"))
    figures = measure_study(table, RESAMPLING)
    assert counted(figures["cells"])["undetectable"] == 9


def test_figures_are_json_and_repeat(figures, table):
    text = json.dumps(figures, allow_nan=False)
    assert text == json.dumps(measure_study(table, RESAMPLING), allow_nan=False)


def test_a_class_that_is_missing_gives_no_figure_and_no_error(tmp_path):
    table = planted(tmp_path / "scores", {"enhancer": 0.5}, groups=4, trainings=("plain",))

    class OneClass:
        def read(self, columns=None, where=None):
            found = table.read(where=where)
            found = found[found.label == 1]
            return found if columns is None else found[columns]

    figures = measure_study(OneClass(), RESAMPLING)  # type: ignore[arg-type]
    assert {cell["auroc"]["value"] for cell in figures["cells"]} == {None}
    assert counted(figures["cells"])["undetectable"] == 3
