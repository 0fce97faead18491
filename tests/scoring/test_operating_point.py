"""The operating point of a planted detector, and how it travels into releases and verdicts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binomtest

from deepfake_pipeline.degrade import apply, draw_recipe
from deepfake_pipeline.faces.geometry import CropGeometry
from deepfake_pipeline.faces.measure import sharpness
from deepfake_pipeline.faces.params import FaceParams
from deepfake_pipeline.metrics.calibration import ece
from deepfake_pipeline.models.run import DetectorRunner
from deepfake_pipeline.models.store import build_network
from deepfake_pipeline.restore.router import Router
from deepfake_pipeline.scoring.calibration import Calibrator
from deepfake_pipeline.scoring.conformal import NEVER, UnsureRule
from deepfake_pipeline.scoring.params import VerdictParams
from deepfake_pipeline.scoring.release import Release, packaged_release, read_release, write_release
from deepfake_pipeline.scoring.threshold import (
    CalibrationFaces,
    balanced_threshold,
    choose_enhanced_verdicts,
    choose_operating_point,
    false_alarm_threshold,
    judge_calibration_faces,
)
from deepfake_pipeline.scoring.verdict import Said, Verdict, VerdictRule, file_row
from deepfake_pipeline.tables.packed import PackedFaces
from tests.conftest import packed


def judged(groups: int, seed: int) -> CalibrationFaces:
    """Log-odds three times too sure; of the second version of a face next to nothing is left."""
    rng = np.random.default_rng(seed)
    clean = np.tile([True, False], 2 * groups)
    true = np.repeat(4.0 * rng.normal(size=2 * groups), 2)
    labels = (rng.random(4 * groups) < expit(true)).astype(np.int8)
    labels[1::2] = labels[::2]
    raw = 3 * np.where(clean, true, 0.1 * true + rng.normal(size=4 * groups))
    sharpness = np.where(clean, 100.0, 10.0) + rng.random(4 * groups)
    return CalibrationFaces(
        raw[:, None], labels, np.repeat(np.arange(groups), 4), sharpness, np.full(4 * groups, np.nan), clean
    )


def test_probabilities_are_fitted_on_clean_faces_and_margins_on_all() -> None:
    point = choose_operating_point(judged(800, 0), VerdictParams(quality_bins=2))
    assert json.loads(json.dumps(point)) == point
    rule = VerdictRule.of_operating_point(point)
    assert rule.calibrator.logit([3.0])[0] - rule.calibrator.logit([0.0])[0] == pytest.approx(1.0, abs=0.15)
    assert point["calibration_faces"] == 1600
    assert rule.unsure and rule.unsure.least(5.0) > 2 * rule.unsure.least(150.0)
    new = judged(3000, 1)
    assert ece(new.labels[new.clean], rule.calibrator.probability(new.raw[new.clean, 0])) <= 0.03
    said = [rule.say(raw, sharp).verdict for raw, sharp in zip(new.raw, new.sharpness, strict=True)]
    given = np.array(said) != "unsure"
    wrong = (np.array(said) == "fake") != (new.labels == 1)
    for part in (new.clean, ~new.clean):
        count, errors = int((given & part).sum()), int((wrong & given & part).sum())
        if count >= 100:
            assert errors / count < 0.07
        elif count:  # too few for a share: they must not speak against one of 5 %
            assert binomtest(errors, count, 0.05, alternative="greater").pvalue > 0.05
    assert given[new.clean].mean() > 0.3


def two_normals(rng: np.random.Generator, count: int, apart: float, share: float) -> tuple[np.ndarray, np.ndarray]:
    labels = (rng.random(count) < share).astype(np.int8)
    return labels, expit(np.where(labels == 1, apart, -apart) + rng.standard_normal(count)).astype(np.float32)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.7])
def test_the_threshold_lies_where_two_normals_cross_whatever_the_share(share: float) -> None:
    found = [balanced_threshold(*two_normals(np.random.default_rng(seed), 400, 0.8, share)) for seed in range(50)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.02)
    assert np.std(found) < 0.03, "the best cut of the faces themselves scatters by 0.05"


def test_of_a_detector_that_tells_nothing_the_threshold_lies_among_its_scores() -> None:
    labels, scores = two_normals(np.random.default_rng(0), 400, 0.0, 0.5)
    threshold = balanced_threshold(labels, 0.9 + scores / 100)
    assert 0.90 < threshold < 0.91
    assert 0 < balanced_threshold(np.array([0, 1], np.int8), np.array([0.0, 1.0], np.float32)) < 1


def test_thresholds_keep_their_rate_of_false_alarms_on_the_average() -> None:
    rates = {0.01: [], 0.05: []}
    for seed in range(300):
        rng = np.random.default_rng(seed)
        for rate, found in rates.items():
            threshold = false_alarm_threshold(rng.random(200), rate)
            assert threshold is not None
            found.append(1 - threshold)  # of uniform scores: the share at or above it
    for rate, found in rates.items():
        assert rate - 1 / 200 <= np.mean(found) <= rate  # between two of the 200 faces


def test_too_few_faces_have_no_threshold_and_ties_are_called_real() -> None:
    assert false_alarm_threshold(np.linspace(0, 1, 98), 0.01) is None
    assert false_alarm_threshold(np.linspace(0, 0.9, 99), 0.01) == pytest.approx(0.95)
    tied = false_alarm_threshold(np.full(100, 0.5), 0.05)
    assert tied is not None and 0.5 < tied < 0.5001


def test_calibration_faces_are_clean_and_degraded_and_repeat() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    ids = np.array([b"a-000000-00", b"b-000000-00", b"c-000000-00"])
    faces = PackedFaces(images, np.array([0, 1, 1], np.int8), np.array([b"g", b"g", b"h"]), ids)
    detector = build_network("meso4", {"image_size": 32})
    options = {"degradations": ["jpeg", "gaussian_blur"], "severities": [1, 5], "accelerator": "cpu"}
    sizes = {"b-000000-00": 44.0}
    params = VerdictParams(degraded_versions=2)
    first, again, other = (
        judge_calibration_faces(detector, [(faces, sizes)], params, seed=seed, **options) for seed in (0, 0, 1)
    )
    assert first.clean.tolist() == [True, False, False] * 3
    assert first.labels.tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1]
    assert np.isnan(first.sizes[:3]).all() and (first.sizes[3:6] == 44).all()
    assert np.array_equal(first.raw, again.raw)
    assert np.array_equal(first.raw[first.clean], other.raw[other.clean])
    assert not np.array_equal(first.raw, other.raw)
    both = judge_calibration_faces(detector, [(faces, {}), (faces, sizes)], params, seed=0, **options)
    assert both.clean.sum() == 6 and np.isnan(both.sizes[:9]).all()
    for column, one, two in zip(both, first._replace(sizes=np.full(9, np.nan)), first, strict=True):
        np.testing.assert_array_equal(column, np.concatenate([one, two]))


def test_enhanced_calibration_faces_are_the_same_ones_judged_after_the_enhancer_and_measured_before(tmp_path) -> None:
    faces = packed(tmp_path / "faces", 6, side=32)
    release = packaged_release()
    router = Router.of(release.router, release.enhancer, accelerator="cpu")
    detector = build_network("meso4", {"image_size": 32})
    options = {"degradations": ["salt_and_pepper"], "severities": [4], "accelerator": "cpu", "seed": 0}
    params = VerdictParams(degraded_versions=1)
    plain = judge_calibration_faces(detector, [(faces, {})], params, **options)
    enhanced = judge_calibration_faces(detector, [(faces, {})], params, router=router, **options)
    shared = judge_calibration_faces(detector, [(faces, {})], params, router=router, workers=2, **options)
    for one, two, three in zip(plain[1:], enhanced[1:], shared[1:], strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(two, three)
    np.testing.assert_array_equal(enhanced.raw, shared.raw)
    degraded = apply(draw_recipe(faces.face_ids[2].decode(), "salt_and_pepper", 4, 0), np.array(faces.images[2]))
    by_hand = DetectorRunner(detector, "cpu").judge(router.enhance(degraded[None])).logit
    assert enhanced.raw[5, 0] == pytest.approx(by_hand[0], abs=1e-4)
    assert enhanced.sharpness[5] == sharpness(degraded)
    assert enhanced.raw[5, 0] != pytest.approx(plain.raw[5, 0], abs=1e-4)


def test_verdicts_on_enhanced_faces_have_margins_of_their_own_and_the_threshold_of_the_others() -> None:
    params = VerdictParams(quality_bins=2)
    faces = judged(800, 0)
    point = choose_operating_point(faces, params)
    clearer = faces._replace(raw=faces.raw + 3.0 * np.where(faces.labels == 1, 1, -1)[:, None])
    chosen = choose_enhanced_verdicts(clearer, point, params)
    assert chosen["verdicts"]["verdicts"] > point["verdicts"]["verdicts"]
    same = choose_enhanced_verdicts(faces, point, params)
    assert same == {"unsure": {**point["unsure"], "stability": True}, "verdicts": point["verdicts"]}


@pytest.mark.parametrize(("stability", "plain", "enhanced"), [("never", 1, 1), ("enhanced", 1, 5), ("always", 5, 5)])
def test_the_parameter_says_of_which_faces_versions_are_judged(
    tmp_path, stability: Literal["never", "enhanced", "always"], plain: int, enhanced: int
) -> None:
    params = VerdictParams(stability=stability, degraded_versions=0)
    faces = packed(tmp_path / "faces", 6, side=32)
    release = packaged_release()
    router = Router.of(release.router, release.enhancer, accelerator="cpu")
    detector = build_network("meso4", {"image_size": 32})
    options = {"degradations": ["jpeg"], "severities": [4], "accelerator": "cpu", "seed": 0}
    for by, versions in ((None, plain), (router, enhanced)):
        found = judge_calibration_faces(detector, [(faces, {})], params, router=by, **options)
        assert found.raw.shape == (6, versions)
    point = choose_operating_point(judged(200, 0), params)
    assert point["unsure"]["stability"] == (plain > 1)
    assert choose_enhanced_verdicts(judged(200, 0), point, params)["unsure"]["stability"] == (enhanced > 1)


UNSURE = UnsureRule(0.05, (50.0,), (NEVER, 1.0), smallest=40.0)
RULE = VerdictRule(0.5, Calibrator("temperature", 0.5), UNSURE)


@pytest.mark.parametrize(
    ("raw", "sharpness", "size", "verdict"),
    [
        (2.1, 80.0, 100.0, "fake"),
        (-2.1, 80.0, 100.0, "real"),
        (1.9, 80.0, 100.0, "unsure"),
        (9.0, 20.0, 100.0, "unsure"),
        (9.0, 80.0, 30.0, "unsure"),
        (9.0, 80.0, None, "fake"),
    ],
)
def test_a_verdict_needs_margin_sharpness_and_size(raw: float, sharpness: float, size: float, verdict: str) -> None:
    said = RULE.say(np.array([raw]), sharpness, size)
    assert said.verdict == verdict
    assert said.fake_probability == pytest.approx(expit(raw / 2))


def test_the_mean_of_the_versions_decides_whether_a_verdict_is_given() -> None:
    rule = VerdictRule(0.5, unsure=UnsureRule(0.05, (), (1.0,), stability=True))
    assert rule.say(np.array([0.5, 2.0, 0.6, 2.0, 2.0]), 80.0).verdict == "fake"
    assert rule.say(np.array([3.0, 1.0, -0.6, -0.6, 0.4]), 80.0).verdict == "unsure"
    assert rule.say(np.array([0.5, -3.0, -3.0, -3.0, -3.0]), 80.0).verdict == "unsure"  # the mean is on the other side


def said(verdict: Verdict, logit: float, least: float = 1.0) -> Said:
    return Said(logit, float(expit(logit)), verdict, logit, least)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [(["real", "real"], "real"), (["real", "unsure"], "unsure"), (["unsure", "fake", "real"], "fake")],
)
def test_an_image_is_fake_if_a_face_is_else_unsure_if_one_is(verdicts: list[Verdict], expected: str) -> None:
    logits = {"real": -3.0, "unsure": 0.4, "fake": 3.0}
    faces = [said(verdict, logits[verdict]) for verdict in verdicts]
    row = file_row({}, [(None, face) for face in faces], 0.5)
    assert row["verdict"] == expected
    assert row["fake_probability"] == max(face.fake_probability for face in faces)


@pytest.mark.parametrize(
    ("logits", "least", "expected"),
    [
        ([3.0, 1.5, 0.0], [1.0, 1.0, 1.0], "fake"),
        ([-3.0, 1.5, 0.0], [1.0, 1.0, 1.0], "unsure"),
        ([-3.0, -3.0, -1.0], [1.0, NEVER, 2.0], "real"),
        ([-3.0, -3.0, -1.0], [1.0, NEVER, NEVER], "unsure"),
    ],
)
def test_a_person_in_a_video_needs_the_margin_of_half_of_the_faces(
    logits: list[float], least: list[float], expected: str
) -> None:
    faces = [(0, said("unsure", logit, enough)) for logit, enough in zip(logits, least, strict=True)]
    row = file_row({}, faces, 0.5)
    assert row["verdict"] == expected
    assert row["fake_probability"] == pytest.approx(expit(np.mean(logits)))


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([3.0, 3.0, 3.0, 3.0, 3.0], "fake"),
        ([3.0, 0.0, 0.0, 0.0, 0.0], "unsure"),
        ([0.1, -5.0, -5.0, -5.0, -5.0], "unsure"),
    ],
)
def test_a_person_in_a_video_needs_it_of_all_versions_together(versions: list[float], expected: str) -> None:
    rule = VerdictRule(0.5, unsure=UnsureRule(0.05, (), (1.0,), stability=True))
    row = file_row({}, [(0, rule.say(np.array(versions), 80.0))] * 3, 0.5)
    assert row["verdict"] == expected
    assert row["fake_probability"] == pytest.approx(expit(versions[0]))


def test_a_release_keeps_its_rule_and_older_ones_give_a_verdict_always(tmp_path) -> None:
    geometry = CropGeometry(kind="aligned", height=32, width=32, faces=FaceParams())
    made = Release(
        "new", build_network("meso4", {"image_size": 32}), geometry, 0.5, calibrator=RULE.calibrator, unsure=UNSURE
    )
    write_release(made, tmp_path)
    assert read_release(tmp_path).rule == read_release(tmp_path).enhanced_rule == RULE
    surer = UnsureRule(0.05, (), (0.5,))
    write_release(replace(made, unsure_enhanced=surer), tmp_path)
    assert read_release(tmp_path).rule == RULE
    assert read_release(tmp_path).enhanced_rule == replace(RULE, unsure=surer)
    manifest = json.loads((tmp_path / "release.json").read_text())
    for name in ("calibrator", "unsure", "unsure_enhanced"):
        del manifest[name]
    (tmp_path / "release.json").write_text(json.dumps(manifest))
    old = read_release(tmp_path).rule
    assert old == VerdictRule(0.5)
    assert old.say(np.array([0.01]), 0.0).verdict == "fake"
    assert packaged_release().rule.threshold == packaged_release().threshold
