"""Figures of verdicts, parts and severities, from predictions whose truth is planted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from deepfake_pipeline.reporting.breakdowns import break_down
from deepfake_pipeline.reporting.judge import _enhancing_clean, falls_under
from deepfake_pipeline.reporting.report import clean_sentences
from deepfake_pipeline.reporting.verdicts import (
    false_alarm_figures,
    stability_figures,
    verdict_figures,
    verdicts_by_quality,
)

OPTIONS = {"resamples": 1000, "confidence": 0.95, "seed": 0}


def described(groups: int = 300) -> pd.DataFrame:
    """Clean predictions: the detector guesses on turned faces, and forgeries of one of two methods are easy."""
    rng = np.random.default_rng(0)
    count = 2 * groups
    labels, yaw = np.tile([0, 1], groups), rng.choice([0.0, 30.0, np.nan], count, p=[0.5, 0.45, 0.05])
    method = np.where(labels == 1, rng.choice(["easy", "hard"], count), None)
    skill = np.where(yaw == 30, 0.0, np.where(method == "hard", 0.5, 3.0))
    logit = skill * (labels - 0.5) + rng.normal(size=count)
    return pd.DataFrame(
        {
            "label": labels,
            "group": np.repeat(np.arange(groups), 2),
            "fake_probability": 1 / (1 + np.exp(-logit)),
            "sharpness": rng.choice([10.0, 100.0], count),
            "source": "planted",
            "method": method,
            "size": rng.choice([50.0, 100.0, np.nan], count),
            "yaw": yaw,
            "skin_angle": np.where(np.arange(count) < 8, -60.0, 35.0),
        }
    )


def test_a_planted_gap_is_found_and_a_part_that_is_not_there_is_not() -> None:
    frame = described()
    found = break_down(frame, [50.0], 0.5, OPTIONS)
    pose = {row["name"]: row for row in found["pose"]["parts"]}
    assert set(pose) == {"frontal", "turned", "unknown"}
    assert pose["turned"]["auroc"]["high"] < pose["frontal"]["auroc"]["low"]
    assert pose["turned"]["difference"]["high"] < 0
    assert pose["turned"]["p_holm"] < 0.05
    assert pose["turned"]["p_holm"] >= pose["turned"]["p"]
    assert found["pose"]["gap"]["best"] == "frontal"
    method = {row["name"]: row for row in found["method"]["parts"]}
    assert method["easy"]["difference"]["low"] > 0
    sharpness = [row["p_holm"] for row in found["sharpness"]["parts"]]
    assert min(sharpness) > 0.05
    assert found["source"]["gap"] is None
    dark = next(row for row in found["skin tone"]["parts"] if row["name"] == "dark")
    assert (dark["faces"], dark["auroc"]) == (8, None)


def test_a_gap_is_between_two_parts_where_no_face_is_misjudged_too() -> None:
    frame = described()
    found = break_down(frame.assign(fake_probability=frame.label.astype(float)), [50.0], 0.5, OPTIONS)
    for kind in ("pose", "size", "sharpness", "method"):
        gap = found[kind]["gap"]
        assert gap["best"] != gap["worst"]
        assert gap["gap"]["value"] == 0
        for row in found[kind]["parts"]:
            assert row["false_alarms"] is None or 0 == row["false_alarms"]["value"] < row["false_alarms"]["high"] < 0.35
            assert row["misses"] is None or 0 == row["misses"]["value"] < row["misses"]["high"] < 0.35


def test_figures_of_a_part_are_those_of_its_faces() -> None:
    from sklearn.metrics import roc_auc_score

    frame = described()
    row = break_down(frame, [50.0], 0.6, OPTIONS)["pose"]["parts"][0]
    part = frame[frame.yaw == 0]
    assert row["auroc"]["value"] == pytest.approx(roc_auc_score(part.label, part.fake_probability))
    real = part[part.label == 0]
    assert row["false_alarms"]["value"] == pytest.approx((real.fake_probability >= 0.6).mean())
    assert row["faces"] == len(part)


def test_a_loss_by_enhancing_clean_faces_is_found_whatever_their_order() -> None:
    from sklearn.metrics import roc_auc_score

    clean = described()[["group", "label", "fake_probability"]].assign(condition="clean")
    clean["face_id"] = [f"{number:04d}" for number in range(len(clean))]
    rng = np.random.default_rng(0)
    blurred = np.clip(clean.fake_probability + rng.normal(0, 0.5, len(clean)), 0, 1)
    enhanced = clean.assign(condition="clean_enhanced", fake_probability=blurred).sample(frac=1, random_state=0)
    found = _enhancing_clean(pd.concat([clean, enhanced]), OPTIONS)
    assert found is not None and _enhancing_clean(clean, OPTIONS) is None
    before, after = (roc_auc_score(part.label, part.fake_probability) for part in (clean, enhanced))
    assert found["clean"]["value"] == pytest.approx(before)
    assert found["enhanced"]["value"] == pytest.approx(after)
    assert found["change"]["value"] == pytest.approx(after - before) and found["change"]["high"] < 0
    (sentence,) = clean_sentences({"enhancing_clean": found})
    assert sentence.startswith("Enhancing a clean face first changes the AUROC by -0.") and "hurts" in sentence
    assert clean_sentences({}) == clean_sentences({"enhancing_clean": None}) == []


def verdicts(given: int, wrong: int, faces: int = 200) -> pd.DataFrame:
    labels = np.arange(faces) % 2
    said = np.where(labels == 1, "fake", "real").astype(object)
    said[:wrong] = np.where(labels[:wrong] == 1, "real", "fake")
    said[given:] = "unsure"
    return pd.DataFrame({"label": labels, "verdict": said, "group": np.arange(faces)})


def test_the_error_is_that_among_the_verdicts_given() -> None:
    from scipy.stats import binomtest

    found = verdict_figures(verdicts(80, 2), OPTIONS)
    assert (found["faces"], found["given"], found["wrong"]) == (200, 80, 2)
    assert (found["share"]["value"], found["error"]["value"]) == (0.4, 0.025)
    assert found["error_upper"] == pytest.approx(binomtest(2, 80, alternative="less").proportion_ci(0.95, "exact").high)
    flawless = verdict_figures(verdicts(200, 0), OPTIONS)
    bound = binomtest(0, 200).proportion_ci(0.95, "exact").high
    assert (flawless["error"]["value"], flawless["error"]["low"]) == (0, 0)
    assert flawless["error"]["high"] == pytest.approx(bound)
    assert flawless["share"]["low"] == pytest.approx(1 - bound) and flawless["share"]["high"] == 1
    nothing = verdict_figures(verdicts(0, 0), OPTIONS)
    assert (nothing["share"]["value"], nothing["error"]["value"], nothing["error_upper"]) == (0, None, None)
    assert verdict_figures(verdicts(0, 0).iloc[:0], OPTIONS)["share"]["value"] is None


def test_verdicts_are_told_by_condition_and_sharpness() -> None:
    frame = pd.concat(
        [
            verdicts(200, 0).assign(condition="clean", sharpness=100.0),
            verdicts(50, 5).assign(condition="degraded", sharpness=np.where(np.arange(200) < 100, 100.0, 1.0)),
        ]
    )
    found = verdicts_by_quality(frame, [50.0], OPTIONS)
    assert found["by_condition"]["clean"]["share"]["value"] == 1
    low, high = found["by_condition"]["degraded"]["by_quality"]
    assert (low["faces"], low["given"], high["given"], high["wrong"]) == (100, 0, 50, 5)


def test_opposite_kept_and_changed_sides_are_counted() -> None:
    from scipy.stats import binomtest

    rows = []
    for number in range(100):
        first = "fake" if number < 50 else "unsure"
        flips, doubts = number < 5, 5 <= number < 15
        again = "real" if flips else "unsure" if doubts or first == "unsure" else "fake"
        shared = {
            "face_id": f"{number:03d}",
            "group": number,
            "label": 1,
            "condition": "clean",
            "fake_probability": 0.7,
        }
        rows.append({**shared, "reencoding": "as_it_is", "verdict": first, "side": "fake"})
        rows.append({**shared, "reencoding": "mirror", "verdict": again, "side": "real" if flips else "fake"})
        rows.append({**shared, "reencoding": "png", "verdict": first, "side": "fake"})
    rows += [{**row, "condition": "enhanced", "verdict": "fake"} for row in rows if row["face_id"] < "010"]
    figures = stability_figures(pd.DataFrame(rows), OPTIONS)
    assert list(figures) == ["clean", "enhanced"]
    steady = figures["enhanced"]
    assert (steady["faces"], steady["with_verdict"]) == (10, 10)
    assert steady["by_reencoding"]["any"]["kept"]["value"] == 1
    found = figures["clean"]
    assert (found["faces"], found["with_verdict"], found["turned"]) == (100, 50, 5)
    assert found["turned_upper"] == pytest.approx(
        binomtest(5, 50, alternative="less").proportion_ci(0.95, "exact").high
    )
    mirror, every = found["by_reencoding"]["mirror"], found["by_reencoding"]["any"]
    assert [mirror[name]["value"] for name in ("opposite", "kept", "side")] == pytest.approx([0.1, 0.7, 0.05])
    assert [every[name]["value"] for name in ("opposite", "kept", "side")] == pytest.approx([0.05, 0.85, 0.025])
    assert (mirror["wrong"]["value"], every["wrong"]["value"]) == pytest.approx((5 / 40, 5 / 90))  # all are forged
    png = found["by_reencoding"]["png"]
    bound = binomtest(0, 50).proportion_ci(0.95, "exact").high  # of 50 faces with a verdict
    assert (png["opposite"]["high"], 1 - png["kept"]["low"]) == pytest.approx((bound, bound))
    assert png["side"]["high"] == pytest.approx(binomtest(0, 100).proportion_ci(0.95, "exact").high)
    assert steady["by_reencoding"]["any"]["opposite"]["high"] == pytest.approx(1 - 0.025 ** (1 / 10))


def test_an_interval_of_all_re_encodings_holds_its_value() -> None:
    """Every face changes sides in one of two: half of the pairs, and not all."""
    shared = {"label": 1, "condition": "clean", "fake_probability": 0.7, "verdict": "unsure"}
    sides = {"as_it_is": ("fake", "fake"), "mirror": ("fake", "real"), "png": ("real", "fake")}
    rows = [
        {**shared, "face_id": f"{number:03d}", "group": number, "reencoding": name, "side": side[number % 2]}
        for number in range(40)
        for name, side in sides.items()
    ]
    every = stability_figures(pd.DataFrame(rows), OPTIONS)["clean"]["by_reencoding"]["any"]["side"]
    assert every["low"] <= every["value"] == 0.5 <= every["high"]


def test_false_alarms_are_those_of_real_faces() -> None:
    frame = described()
    chosen = [{"rate": 0.05, "threshold": 0.8}, {"rate": 0.01, "threshold": None}]
    first, none = false_alarm_figures(frame, chosen, OPTIONS)
    called = frame.fake_probability >= 0.8
    assert first["false_alarms"]["value"] == pytest.approx(called[frame.label == 0].mean())
    assert first["recall"]["value"] == pytest.approx(called[frame.label == 1].mean())
    assert none["false_alarms"] is None


def test_the_severity_of_a_loss_lies_on_the_line_between_two() -> None:
    curves = np.array([[0.9, 0.9, 0.7, 0.5], [0.9, 0.9, 0.9, 0.9], [0.5, 0.5, 0.5, 0.5], [0.9, 0.5, 0.9, 0.9]])
    assert falls_under([0, 1, 3, 5], curves, 0.6).tolist() == pytest.approx([2.6, np.inf, 0, 0.4])
