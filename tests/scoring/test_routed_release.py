"""A release that holds a router, and what it restores with."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from deepfake_pipeline.models.degradation_classifier import DegradationClassifier, DegradationClassifierConfig
from deepfake_pipeline.models.store import build_network, network_bytes
from deepfake_pipeline.restore import REPAIRS
from deepfake_pipeline.restore.choices import Choices
from deepfake_pipeline.restore.router import Router
from deepfake_pipeline.scoring.enhance import best_repair, build_repair
from deepfake_pipeline.scoring.release import hashes_of, packaged_release, read_release, write_release
from deepfake_pipeline.scoring.repairers import REPAIRERS, RepairParts, Workbench
from deepfake_pipeline.tables.errors import UserError

CONFIG = DegradationClassifierConfig(("salt_and_pepper", "jpeg"), (2, 4))


def choices(best):
    """Whatever ails a picture, one repair is 5 dB better than the others."""
    names = ("identity", "median3", "network")
    psnr = np.tile([25.0 if name == best else 20.0 for name in names], (len(CONFIG.cells), 1))
    return Choices(CONFIG.cells, names, psnr, psnr / 100, faces=4, groups=2).to_json()


@pytest.fixture(scope="module")
def release():
    torch.manual_seed(0)
    config = {"widths": (4, 8), "steps": 1, "conditions": ("salt_and_pepper", "jpeg")}
    enhancer = build_network("recurrent_unet", config).eval()
    with torch.no_grad():
        for weights in enhancer.parameters():
            weights.add_(0.05 * torch.randn_like(weights))
    router = DegradationClassifier(CONFIG).eval()
    return replace(packaged_release(), enhancer=enhancer, router=router, choices=choices("median3"))


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)


def test_it_comes_back_as_it_was(release, tmp_path):
    write_release(release, tmp_path)
    again = read_release(tmp_path)
    assert hashes_of(again) == hashes_of(release)
    assert set(hashes_of(again)) == {"detector", "enhancer", "router"}
    assert again.choices == release.choices


def test_the_router_does_what_validation_showed_best(release, picture):
    assert best_repair(release) == "router"
    assert np.array_equal(build_repair("router", release)(picture), REPAIRS["median3"].apply(picture))
    nothing = replace(release, choices=choices("identity"))
    assert np.array_equal(build_repair("router", nothing)(picture), picture)
    network = replace(release, choices=choices("network"))
    assert np.array_equal(build_repair("router", network)(picture), build_repair("enhancer", release)(picture))


def test_the_enhancer_is_told_what_the_classifier_sees(release, picture):
    router = Router.of(release.router, release.enhancer)
    told = build_repair("enhancer", release)(picture)
    assert np.array_equal(told, router.enhance(picture[None])[0])
    blind = build_repair("enhancer", replace(release, router=None, choices=None))(picture)
    assert not np.array_equal(told, blind)


def test_a_large_picture_is_repaired_in_one_way(release):
    large = np.random.default_rng(1).integers(0, 256, (700, 1300, 3), dtype=np.uint8)
    chances = Router.of(release.router, release.enhancer).diagnose(large)
    assert chances.shape == (len(CONFIG.cells),) and chances.sum() == pytest.approx(1, abs=1e-5)
    repaired = build_repair("router", release)(large)
    whole, one_tile = REPAIRS["median3"].apply(large), (slice(20, 180), slice(20, 440))  # no neighbour reaches there
    assert np.array_equal(repaired[one_tile], whole[one_tile])


def test_a_release_without_a_router_says_so(picture):
    packaged = replace(packaged_release(), router=None, choices=None)
    assert best_repair(packaged) == "enhancer"
    with pytest.raises(UserError, match="holds no router: choose one of enhancer, identity"):
        build_repair("router", packaged)


def test_the_study_repairs_by_the_router_too(release, picture):
    networks = {"enhancer": network_bytes(release.enhancer), "router": network_bytes(release.router)}
    parts = RepairParts({}, networks, choices=release.choices)
    pictures = np.stack([picture, picture[::-1]])
    routed = REPAIRERS["router"](Workbench(parts)).repair(pictures, "jpeg", 3)
    assert np.array_equal(routed, np.stack([REPAIRS["median3"].apply(one) for one in pictures]))
    told = REPAIRERS["enhancer"](Workbench(parts)).repair(pictures, "jpeg", 3)
    assert np.array_equal(told, Router.of(release.router, release.enhancer).enhance(pictures))
