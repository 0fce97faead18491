"""The router: expected PSNR decides, and a conditional network is told what is believed."""

import dataclasses
import json
import pickle

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepfake_pipeline.degrade import apply, draw_recipe
from deepfake_pipeline.models.degradation_classifier import DegradationClassifier, DegradationClassifierConfig
from deepfake_pipeline.models.inputs import to_network
from deepfake_pipeline.models.store import build_network, network_bytes
from deepfake_pipeline.restore import REPAIRS
from deepfake_pipeline.restore.choices import CEILING, CLEAN_CEILING, LEAST_GAIN, Choices, choices_of
from deepfake_pipeline.restore.router import Router, condition_of, told_of
from tests.degrade.pictures import face

CONFIG = DegradationClassifierConfig(("salt_and_pepper", "jpeg"), (2, 4))
CELLS = CONFIG.cells
CHOICES = Choices(
    cells=CELLS,
    repairs=("identity", "median3", "network"),
    psnr=np.array([[50.0, 40, 35], [20, 40, 30], [15, 34, 28], [30, 29, 33], [27, 27, 31]]),
    ssim=np.array([[1.0, 0.9, 0.9], [0.5, 0.9, 0.8], [0.4, 0.8, 0.7], [0.8, 0.9, 0.9], [0.7, 0.7, 0.8]]),
    faces=4,
    groups=2,
)
FEW = {name: REPAIRS[name] for name in ("identity", "median3")}


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    return DegradationClassifier(CONFIG).eval(), build_network("recurrent_unet", {"widths": (4, 8), "steps": 1})


def certain(cell):
    return np.eye(len(CELLS), dtype=np.float32)[[CELLS.index(cell)]]


def test_where_it_is_certain_the_best_of_validation_is_applied():
    assert CHOICES.best(certain(("none", 0))) == ["identity"]
    assert CHOICES.best(certain(("salt_and_pepper", 4))) == ["median3"]
    assert CHOICES.best(certain(("jpeg", 2))) == ["network"]
    assert CHOICES.best_classical(("jpeg", 2)) == "identity"
    assert CHOICES.best_classical(("jpeg", 2), "ssim") == "median3"


def test_where_it_is_unsure_the_least_risky_repair_is_applied():
    unsure = np.array([[0.5, 0.0, 0.0, 0.5, 0.0]], np.float32)  # nothing, or slight JPEG: mending could harm
    assert CHOICES.best(unsure) == ["identity"]
    likely_jpeg = np.array([[0.1, 0.0, 0.0, 0.9, 0.0]], np.float32)
    assert CHOICES.best(likely_jpeg) == ["network"]


@given(st.lists(st.floats(0.001, 1), min_size=5, max_size=5))
def test_no_other_repair_promises_more_and_none_is_applied_for_nothing(weights):
    chances = np.array([weights]) / np.sum(weights)
    chosen = CHOICES.best(chances)[0]
    expected = {name: float(chances[0] @ CHOICES.psnr[:, number]) for number, name in enumerate(CHOICES.repairs)}
    assert expected[chosen] >= max(expected.values()) - LEAST_GAIN - 1e-9
    assert chosen == "identity" or expected[chosen] >= expected["identity"] + LEAST_GAIN - 1e-9


def test_choices_come_back_from_json():
    again = Choices.from_json(json.loads(json.dumps(CHOICES.to_json())))
    assert (again.cells, again.repairs, again.faces, again.groups) == (CELLS, CHOICES.repairs, 4, 2)
    assert np.array_equal(again.psnr, CHOICES.psnr)
    assert np.array_equal(again.ssim, CHOICES.ssim)
    assert [row["repair"] for row in CHOICES.to_json()["choices"]] == [
        "identity",
        "median3",
        "median3",
        *["network"] * 2,
    ]


def test_choices_are_means_over_faces_and_a_flawless_repair_counts_for_no_more_than_is_seen():
    rows = [
        {"face_id": f, "group": g, "degradation": d, "severity": s, "repair": r, "psnr": p, "ssim": p / 100}
        for d, s in ((None, None), ("jpeg", 2))
        for f, g, r, p in (("a", "g", "identity", 100.0), ("b", "g", "identity", 39.0), ("a", "g", "median3", 30.0))
    ]
    found = choices_of(rows, (("none", 0), ("jpeg", 2)))
    assert found.psnr.tolist() == [[(CLEAN_CEILING + 39) / 2, 30.0], [(CEILING + 39) / 2, 30.0]]
    assert found.ssim == pytest.approx(np.array([[0.695, 0.3]] * 2))
    assert (found.faces, found.groups) == (2, 1)
    with pytest.raises(ValueError, match="jpeg 4"):
        choices_of(rows, (("none", 0), ("jpeg", 4)))


def test_what_is_told_is_the_likeliest_degradation_and_its_expected_severity():
    chances = np.array([[0.1, 0.2, 0.1, 0.3, 0.3], [0.9, 0, 0.1, 0, 0], [0.3, 0.3, 0.1, 0.3, 0]], np.float32)
    names, severity = told_of(chances, CELLS)
    assert names == ["jpeg", "none", "salt_and_pepper"]
    assert severity == pytest.approx([3.0, 0.0, (0.3 * 2 + 0.1 * 4) / 0.4])
    told = condition_of(chances, CELLS, ("shadow", "jpeg"))
    assert told.dtype == np.float32
    assert told == pytest.approx(np.array([[0, 0.6], [0, 0], [0, 0]]))  # blind where it is clean or unknown


def test_a_conditional_network_is_told(networks, monkeypatch):
    router = Router.of(*networks, CHOICES, FEW, "cpu")
    heard = []
    monkeypatch.setattr(router._enhancer, "enhance", lambda pictures, *told: heard.append(told) or pictures)
    pictures, chances = face(32)[None], certain(("jpeg", 4))
    router.enhanced(pictures, chances)
    facts = {"conditions": ("jpeg", "shadow"), "repairs": ()}
    monkeypatch.setattr(router._enhancer.network, "config", type("Config", (), facts))
    router.enhanced(pictures, chances)
    assert heard[0] == ()
    assert heard[1][0].tolist() == [[pytest.approx(0.8), 0.0]]


def test_a_network_that_follows_gets_what_the_repair_leaves(networks, monkeypatch):
    router = Router.of(*networks, CHOICES, FEW, "cpu")
    got = []
    monkeypatch.setattr(router._enhancer, "enhance", lambda pictures, told: got.append(pictures) or pictures)
    facts = {"conditions": ("jpeg", "salt_and_pepper"), "repairs": ("identity", "adaptive_median")}
    monkeypatch.setattr(router._enhancer.network, "config", type("Config", (), facts))
    noisy = apply(draw_recipe("a", "salt_and_pepper", 4, 0), face(32))
    beliefs = np.concatenate([certain(("salt_and_pepper", 4)), certain(("jpeg", 4)), certain(("none", 0))])
    router.enhanced(np.stack([noisy] * 3), beliefs)
    assert np.array_equal(got[0], [REPAIRS["adaptive_median"].apply(noisy), noisy, noisy])


def test_a_shadow_is_taken_off_the_whole_picture(networks):
    torch.manual_seed(0)
    lit = DegradationClassifier(dataclasses.replace(CONFIG, light=True)).eval()
    router = Router.of(lit, networks[1], CHOICES, FEW, "cpu")
    assert router.networks == ("network", "relit") and Router.of(*networks, CHOICES, FEW, "cpu").networks == (
        "network",
    )
    picture = np.tile(face(64), (10, 12, 1))  # larger than a tile
    thumbnail = cv2.resize(picture, (48, 48), interpolation=cv2.INTER_AREA)
    with torch.no_grad():
        missing = lit.light(to_network(torch.from_numpy(thumbnail[None]))).missing(640, 768)[0].numpy()
    expected = np.clip(np.rint(picture * np.exp(missing)[..., None]), 0, 255)
    assert np.abs(router.repair(picture, "relit") - expected).max() <= 1
    assert np.array_equal(router.apply("relit", picture, certain(("jpeg", 2))[0]), router.repair(picture, "relit"))


def test_a_network_that_follows_a_repair_of_the_whole_gets_what_that_makes_of_the_whole(networks, monkeypatch):
    router = Router.of(*networks, CHOICES, REPAIRS, "cpu")
    facts = {"conditions": ("jpeg", "salt_and_pepper"), "repairs": ("gamma", "identity")}
    monkeypatch.setattr(router._enhancer.network, "config", type("Config", (), facts))
    monkeypatch.setattr(Router, "diagnose", lambda *_: certain(("jpeg", 4))[0])
    monkeypatch.setattr(router._enhancer, "enhance", lambda pictures, told: pictures)
    dark = np.concatenate([face(96) // 2] * 6 + [face(96) // 5])  # larger than a tile
    whole = REPAIRS["gamma"].apply(dark)
    assert np.array_equal(router.repair(dark, "network"), whole)
    assert np.array_equal(router.repair(dark, "gamma"), whole)


def test_a_picture_is_repaired_as_chosen_and_by_a_copy_in_another_process_too(networks):
    router = Router.of(*networks, CHOICES, FEW, "cpu")
    picture = face(48)
    before = picture.copy()
    chances = router.chances(picture[None])
    assert chances.sum() == pytest.approx(1, abs=1e-5)
    expected = router.apply(CHOICES.best(chances)[0], picture, chances[0])
    assert np.array_equal(router.repair(picture), expected)
    assert np.array_equal(pickle.loads(pickle.dumps(router)).repair(picture), expected)
    assert np.array_equal(picture, before)


def test_it_needs_choices(networks):
    router = Router(network_bytes(networks[0]), network_bytes(networks[1]), None, FEW, "cpu")
    with pytest.raises(ValueError, match="validation"):
        router.repair(face(32))
