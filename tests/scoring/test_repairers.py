import logging

import numpy as np
import pytest

from deepfake_pipeline.degrade import apply, draw_recipe
from deepfake_pipeline.metrics.fidelity import psnr
from deepfake_pipeline.models.degradation_classifier import DegradationClassifier, DegradationClassifierConfig
from deepfake_pipeline.models.run import EnhancerRunner
from deepfake_pipeline.models.store import build_network, network_bytes
from deepfake_pipeline.restore import REPAIRS
from deepfake_pipeline.restore.choices import Choices
from deepfake_pipeline.restore.router import Router, filtered
from deepfake_pipeline.scoring import repairers
from deepfake_pipeline.scoring.repairers import REPAIRERS, RepairParts, Workbench, available, choose_classical, is_slow
from tests.conftest import packed

BEST = {"clean": {"0": "identity"}, "salt_and_pepper": {"3": "median3"}, "white_noise": {"3": "non_local_means"}}


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return packed(tmp_path_factory.mktemp("faces") / "validation", 8, side=48)


@pytest.fixture(scope="module")
def network():
    return build_network("recurrent_unet", {"widths": (4, 8), "steps": 1})


def test_none_changes_nothing(faces):
    images = np.array(faces.images)
    assert REPAIRERS["none"](Workbench(RepairParts(BEST))).repair(images, "jpeg", 3) is images


def test_the_best_classical_repair_is_the_one_that_was_chosen(faces):
    images = np.array(faces.images)
    repaired = REPAIRERS["best_classical"](Workbench(RepairParts(BEST))).repair(images, "salt_and_pepper", 3)
    assert np.array_equal(repaired, [REPAIRS["median3"].apply(image) for image in images])
    assert np.array_equal(REPAIRERS["best_classical"](Workbench(RepairParts(BEST))).repair(images, "clean", 0), images)


def test_a_filter_that_several_repairers_want_is_applied_once(faces, monkeypatch):
    kinds = ("salt_and_pepper", "jpeg")
    follower = build_network(
        "recurrent_unet", {"widths": (4, 8), "steps": 1, "conditions": kinds, "repairs": ("median3", "median3")}
    )
    classifier = DegradationClassifier(DegradationClassifierConfig(kinds, (3,))).eval()
    classifier.last.bias.data[1] = 50.0  # whatever it sees, it says salt and pepper
    names = ("identity", "median3", "network")
    psnr_of = np.tile([20.0, 25.0, 20.0], (3, 1))
    choices = Choices(classifier.config.cells, names, psnr_of, psnr_of, faces=4, groups=2).to_json()
    networks = {"enhancer": follower, "joint": follower, "router": classifier}
    stored = {name: network_bytes(network) for name, network in networks.items()}
    asked = []
    monkeypatch.setattr(
        repairers, "filtered", lambda name, some: asked.append((name, len(some))) or filtered(name, some)
    )
    bench = Workbench(RepairParts(BEST, stored, choices=choices))
    images = np.array(faces.images)
    alone = filtered("median3", images)
    assert np.array_equal(REPAIRERS["best_classical"](bench).repair(images, "salt_and_pepper", 3), alone)
    assert np.array_equal(REPAIRERS["router"](bench).repair(images, "salt_and_pepper", 3), alone)
    router = Router.of(classifier, follower)
    for name in ("enhancer", "joint"):
        assert np.array_equal(REPAIRERS[name](bench).repair(images, "salt_and_pepper", 3), router.enhance(images))
    assert asked == [("median3", len(faces))]


@pytest.mark.parametrize("name", ["enhancer", "joint"])
def test_networks_are_told_nothing(faces, network, name):
    repairer = REPAIRERS[name](Workbench(RepairParts(BEST, {name: network_bytes(network)})))
    images = np.array(faces.images)
    repaired = repairer.repair(images, "jpeg", 1)
    assert np.array_equal(repaired, repairer.repair(images, "shadow", 5))
    assert np.array_equal(repaired, EnhancerRunner(network, "cpu").enhance(images))


def test_what_has_no_network_is_left_out_with_one_line(caplog):
    with caplog.at_level(logging.INFO):
        names = available(["best_classical", "enhancer", "router", "none", "joint"], {"enhancer": b""})
    assert names == ("none", "best_classical", "enhancer")
    assert [record.message for record in caplog.records] == [
        "the study leaves out router: no such network is given",
        "the study leaves out joint: no such network is given",
    ]


def test_a_filter_is_slow_where_it_is_chosen():
    parts = RepairParts(BEST, slow=("non_local_means",))
    assert is_slow("best_classical", "white_noise", 3, parts)
    assert not is_slow("best_classical", "salt_and_pepper", 3, parts)
    assert not is_slow("enhancer", "white_noise", 3, parts)


def test_a_way_of_repairing_is_slow_everywhere():
    parts = RepairParts(BEST, slow=("joint",))
    assert is_slow("joint", "white_noise", 3, parts) and is_slow("joint", "clean", 0, parts)
    assert not is_slow("best_classical", "white_noise", 3, parts)


def test_the_choice_is_the_highest_mean_psnr_by_hand(faces):
    chosen = choose_classical(faces, [0, 1, 5], ["salt_and_pepper"], [4], seed=3, workers=1)
    recipes = {row: draw_recipe(faces.face_ids[row].decode(), "salt_and_pepper", 4, 3) for row in (0, 1, 5)}
    means = {
        name: np.mean(
            [psnr(faces.images[row], repair.apply(apply(recipe, faces.images[row]))) for row, recipe in recipes.items()]
        )
        for name, repair in REPAIRS.items()
    }
    assert chosen == {"clean": {"0": "identity"}, "salt_and_pepper": {"4": max(means, key=means.get)}}


def test_the_choice_does_not_depend_on_the_workers_and_goes_to_the_first_of_equals(faces):
    kinds = ["salt_and_pepper"], [5]
    alone = choose_classical(faces, [2, 3], *kinds, seed=1, workers=1)
    assert choose_classical(faces, [2, 3], *kinds, seed=1, workers=2) == alone
    # Deblocking leaves the clean face alone too, and comes later.
    assert alone == {"clean": {"0": "identity"}, "salt_and_pepper": {"5": "adaptive_median"}}
