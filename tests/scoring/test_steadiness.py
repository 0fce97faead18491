"""Faces judged again after re-encodings: which faces, and that each row is what the detector says of that picture."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import expit, logit

from deepfake_pipeline.degrade.recipe import apply, draw_recipe
from deepfake_pipeline.faces.measure import sharpness
from deepfake_pipeline.models import Detector
from deepfake_pipeline.models.degradation_classifier import DegradationClassifier, DegradationClassifierConfig
from deepfake_pipeline.models.run import DetectorRunner
from deepfake_pipeline.models.store import build_network
from deepfake_pipeline.restore.router import Router
from deepfake_pipeline.scoring.calibration import Calibrator
from deepfake_pipeline.scoring.conformal import UnsureRule
from deepfake_pipeline.scoring.stability import REENCODINGS, judged_versions
from deepfake_pipeline.scoring.steadiness import AS_IT_IS, judge_reencoded
from deepfake_pipeline.scoring.verdict import VerdictRule
from deepfake_pipeline.tables import RecordStream
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.tables.schemas import REENCODED
from tests.conftest import packed

COUNT = 12
CALIBRATOR = Calibrator("platt", 2.0, -0.3)
ROUNDING = 1e-4  # in probability: a steep head makes much of how float32 sums are split


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> PackedFaces:
    return packed(tmp_path_factory.mktemp("steady") / "faces", COUNT)


@pytest.fixture(scope="module")
def detector(faces: PackedFaces) -> Detector:
    """Untrained, with a head so steep that its log-odds of these faces spread over some nats around 0."""
    torch.manual_seed(0)
    network: Any = build_network("cnn3", {"image_size": 32}).eval()
    raw = DetectorRunner(network, "cpu").judge(faces.images).logit
    with torch.no_grad():
        network.head.bias.sub_(float(raw.mean())).mul_(2 / float(raw.std()))
        network.head.weight.mul_(2 / float(raw.std()))
    return network


@pytest.fixture(scope="module")
def middle(faces: PackedFaces, detector: Detector) -> float:
    """A threshold with half of the faces on either side."""
    return float(np.median(CALIBRATOR.probability(DetectorRunner(detector, "cpu").judge(faces.images).logit)))


@cache
def router() -> Router:
    """Untrained, with an enhancer that makes every picture darker."""
    torch.manual_seed(0)
    classifier = DegradationClassifier(DegradationClassifierConfig(("jpeg",), (2,))).eval()
    enhancer: Any = build_network("recurrent_unet", {"widths": (4, 8), "steps": 0}).eval()
    torch.nn.init.constant_(enhancer.last.bias, -0.1)
    return Router.of(classifier, enhancer, accelerator="cpu")


def judged_all(faces: PackedFaces, detector: Detector, rule: VerdictRule, **options: Any) -> pd.DataFrame:
    given: dict[str, Any] = {"limit": COUNT, "seed": 0, "sizes": {}, "workers": 1, "accelerator": "cpu"}
    given |= {"recipes": (), "enhanced_rule": VerdictRule(0.5), **options}
    return pd.DataFrame(list(judge_reencoded(faces, detector=detector, router=router(), rule=rule, **given)))


def judged(faces: PackedFaces, detector: Detector, rule: VerdictRule, **options: Any) -> pd.DataFrame:
    """Rows of clean faces as they are."""
    found = judged_all(faces, detector, rule, **options)
    return found[found.condition == "clean"].reset_index(drop=True)


def names(faces: PackedFaces) -> list[str]:
    return [face_id.decode() for face_id in faces.face_ids]


def test_each_row_is_what_the_detector_says_of_that_picture(
    faces: PackedFaces, detector: Detector, middle: float
) -> None:
    found = judged(faces, detector, VerdictRule(middle, CALIBRATOR))
    assert list(found.reencoding) == [AS_IT_IS, *REENCODINGS] * COUNT
    assert list(found.face_id[:: 1 + len(REENCODINGS)]) == names(faces)
    judge = DetectorRunner(detector, "cpu")
    for name, rows in found.groupby("reencoding"):
        again = REENCODINGS.get(str(name), lambda picture: picture)
        raw = judge.judge(np.stack([again(np.array(picture)) for picture in faces.images])).logit
        expected = expit(2.0 * raw.astype(np.float64) - 0.3)
        assert rows.fake_probability.to_numpy() == pytest.approx(expected, abs=ROUNDING)
        assert list(rows.label) == list(faces.labels)
        assert list(rows.group) == [group.decode() for group in faces.groups]
    assert list(found.side) == ["fake" if p >= middle else "real" for p in found.fake_probability]
    assert list(found.verdict) == list(found.side)  # a rule without doubt always gives one
    assert set(found.side) == {"real", "fake"}
    png = found[found.reencoding == "png"].fake_probability.to_numpy()
    assert png == pytest.approx(found[found.reencoding == AS_IT_IS].fake_probability.to_numpy(), abs=ROUNDING)


def test_a_degraded_face_is_stored_anew_and_then_enhanced(
    faces: PackedFaces, detector: Detector, middle: float
) -> None:
    first = names(faces)[0]
    recipes = [draw_recipe(first, "jpeg", severity, 0) for severity in (3, 5)]
    rule, enhanced_rule = VerdictRule(middle, CALIBRATOR), VerdictRule(0.4, CALIBRATOR, UnsureRule(0.05, (), (1e6,)))
    found = judged_all(faces, detector, rule, recipes=recipes, enhanced_rule=enhanced_rule)
    versions = 1 + len(REENCODINGS)
    assert dict(found.condition.value_counts()) == {
        "clean": COUNT * versions, "clean_enhanced": COUNT * versions, "degraded": versions, "enhanced": versions
    }  # fmt: skip
    judge = DetectorRunner(detector, "cpu")

    def is_said(condition: str, picture: NDArray[np.uint8]) -> bool:
        of_face = found[(found.face_id == first) & (found.condition == condition) & (found.reencoding == "jpeg_75")]
        expected = CALIBRATOR.probability(judge.judge(picture[None]).logit)
        return float(of_face.fake_probability.iloc[0]) == pytest.approx(float(expected[0]), abs=ROUNDING)

    def stored(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return REENCODINGS["jpeg_75"](picture)

    clean = np.array(faces.images[0])
    drawn = [stored(apply(recipe, clean)) for recipe in recipes]
    assert [is_said("degraded", picture) for picture in drawn].count(True) == 1
    assert [is_said("enhanced", router().enhance(picture[None])[0]) for picture in drawn].count(True) == 1
    assert is_said("clean_enhanced", router().enhance(stored(clean)[None])[0])
    assert not is_said("clean", router().enhance(stored(clean)[None])[0])
    for condition in ("clean_enhanced", "enhanced"):
        rows = found[found.condition == condition]
        assert list(rows.side) == ["fake" if p >= 0.4 else "real" for p in rows.fake_probability]
        assert set(rows.verdict) == {"unsure"}


def test_rows_are_those_of_the_schema(faces: PackedFaces, detector: Detector) -> None:
    rows = judged(faces, detector, VerdictRule(0.5), limit=2).to_dict("records")
    (batch,) = RecordStream.of_rows(REENCODED, rows)
    assert batch.schema == REENCODED and batch.num_rows == 2 * 13


def test_which_faces_are_taken_depends_on_ids_and_seed_alone(faces: PackedFaces, detector: Detector) -> None:
    def taken(some: PackedFaces, **options: Any) -> list[str]:
        return list(dict.fromkeys(judged(some, detector, VerdictRule(0.5), **options).face_id))

    turned = PackedFaces(faces.images[::-1], faces.labels[::-1], faces.groups[::-1], faces.face_ids[::-1])
    five = taken(faces, limit=5)
    assert len(five) == 5
    assert five == [name for name in names(faces) if name in five]  # in the order of the crops
    assert taken(turned, limit=5) == five[::-1]
    assert set(taken(faces, limit=3)) < set(five)
    assert any(taken(faces, limit=5, seed=seed) != five for seed in (1, 2))
    assert taken(faces, limit=100) == names(faces)


def test_small_and_blurred_faces_get_no_verdict_and_keep_their_side(
    faces: PackedFaces, detector: Detector, middle: float
) -> None:
    edge = float(np.median([sharpness(np.array(picture)) for picture in faces.images]))
    rule = VerdictRule(middle, CALIBRATOR, UnsureRule(0.05, (edge,), (1e6, 0.0), smallest=50.0))
    small, large = names(faces)[0], names(faces)[1]
    found = judged(faces, detector, rule, sizes={small: 49.0, large: 51.0})
    plain = judged(faces, detector, VerdictRule(middle, CALIBRATOR))
    assert list(found.side) == list(plain.side)
    assert set(found[found.face_id == small].verdict) == {"unsure"}
    rest = found[found.face_id != small]
    row_of = {name: row for row, name in enumerate(names(faces))}
    for row in rest.to_dict("records"):
        again = REENCODINGS.get(row["reencoding"], lambda picture: picture)
        sharp = sharpness(again(np.array(faces.images[row_of[row["face_id"]]]))) >= edge
        assert row["verdict"] == (row["side"] if sharp else "unsure")
    assert set(rest.verdict) == {"real", "fake", "unsure"}


def test_where_stability_is_asked_for_the_mean_of_the_versions_decides(
    faces: PackedFaces, detector: Detector, middle: float
) -> None:
    least = 0.5
    rule = VerdictRule(middle, CALIBRATOR, UnsureRule(0.05, (), (least,), stability=True))
    found = judged(faces, detector, rule)
    judge = DetectorRunner(detector, "cpu")
    expected = []
    for picture in faces.images:
        for again in (lambda one: one, *REENCODINGS.values()):
            _, raw = judged_versions(judge, again(np.array(picture))[None], True)
            margins = CALIBRATOR.logit(raw[0]) - logit(middle)
            mean = np.average(margins, weights=[2, 2, 2, 2, 3])
            agreed = np.sign(mean) == np.sign(margins[0]) and np.abs(mean) >= least
            expected.append(("fake" if margins[0] >= 0 else "real") if agreed else "unsure")
    assert list(found.verdict) == expected
    assert set(expected) == {"real", "fake", "unsure"}
