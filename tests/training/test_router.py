"""The classifier of degradations learns from freshly degraded faces, the same way each time."""

import hashlib

import numpy as np
import pytest
import torch

from deepfake_pipeline.degrade import draw_recipe
from deepfake_pipeline.models.degradation_classifier import DegradationClassifierConfig
from deepfake_pipeline.models.inputs import to_network
from deepfake_pipeline.models.store import build_network, load_network, network_bytes
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.training.config import RouterTraining
from deepfake_pipeline.training.diagnosis import FreshlyDiagnosed, KnownDiagnoses
from deepfake_pipeline.training.light import FreshlyShaded
from deepfake_pipeline.training.presets import LIGHT_PRESETS, ROUTER_PRESETS, customised
from deepfake_pipeline.training.result import Runtime
from deepfake_pipeline.training.router import calibrate, train_router
from tests.conftest import packed

NAMES, STEPS = ("salt_and_pepper", "gaussian_blur"), (2, 5)
CONFIG = DegradationClassifierConfig(NAMES, STEPS)
CONFIG_LIGHT = {"degradations": NAMES, "severities": STEPS, "light": True}
LIGHT = customised(LIGHT_PRESETS["sample"], {"max_epochs": 8, "epoch_faces": 384, "precision": "float32"})
SETTINGS = RouterTraining(max_epochs=12, batch_size=12, learning_rate=1e-2, precision="float32", schedule="one_cycle")


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    root = tmp_path_factory.mktemp("faces")
    return packed(root / "train", 96, seed=1), packed(root / "validation", 24, seed=2)


def recipes(faces, names=NAMES):
    kinds = [(name, step) for name in names for step in STEPS]
    return [draw_recipe(face.decode(), *kinds[number % 4], 0) for number, face in enumerate(faces.face_ids)]


def train(faces, seed=0, names=NAMES):
    runtime = Runtime(seed=seed, threads=1, accelerator="cpu")
    common = {"degradations": names, "severities": STEPS, "config": {"widths": (8, 16), "hidden": 16}}
    return train_router(*faces, recipes(faces[1], names), settings=SETTINGS, light=LIGHT, runtime=runtime, **common)


def test_it_learns_and_repeats(faces):
    fitted = train(faces)
    best = min(fitted.history, key=lambda row: row["val_loss"])
    assert best["val_accuracy"] > 0.6  # of none and two degradations; guessing gives 0.5, the share of clean ones
    assert best["val_loss"] < np.log(len(CONFIG.cells))
    assert fitted.network.config.degradations == NAMES
    digests = {
        hashlib.sha256(network_bytes(one.network)).hexdigest() for one in (fitted, train(faces), train(faces, 1))
    }
    assert len(digests) == 2


@pytest.mark.parametrize("planted", [0.4, 1.0, 3.0])
def test_a_planted_temperature_is_found_and_taken_out(planted):
    """Cells drawn by the very chances that a classifier names: its temperature is 1, until its last layer is scaled."""
    network = build_network("degradation_classifier", {"degradations": NAMES, "severities": STEPS}).eval()
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (600, 16, 16, 3), dtype=np.uint8)
    with torch.no_grad():
        network.last.weight.mul_(100)
        chances = network(to_network(torch.from_numpy(pictures))).cells.softmax(dim=1)
        known = KnownDiagnoses.__new__(KnownDiagnoses)
        known.pictures, known.cells = pictures, torch.multinomial(chances, 1).flatten().numpy()
        network.last.weight.mul_(planted)
        network.last.bias.mul_(planted)
    assert calibrate(network, known) == pytest.approx(planted, rel=0.15)
    again = network(to_network(torch.from_numpy(pictures))).cells.softmax(dim=1)
    assert (again - chances).abs().max() < 0.1


def test_where_shadow_is_told_an_estimator_of_it_goes_with_the_classifier(faces):
    assert train(faces).network.light is None
    network = train(faces, names=("shadow", "gaussian_blur")).network
    assert network.config.light
    kept = load_network(network_bytes(network))
    assert not torch.equal(
        kept.light.last.weight, build_network("degradation_classifier", CONFIG_LIGHT).light.last.weight
    )
    shaded, lost = FreshlyShaded(faces[1], 48, STEPS, 0.0, 5).batch(np.arange(24), 0)
    with torch.no_grad():
        told = kept.light(to_network(shaded)).missing(48, 48)
    assert float((told - lost).square().mean()) < float(lost.square().mean()) / 2


def test_samples_are_drawn_afresh_each_epoch_and_repeat(faces):
    feed = FreshlyDiagnosed(faces[0], CONFIG, RouterTraining(patch=24, clean_share=0.5), seed=3)
    rows = np.array([5, 5, 7, 9])
    pictures, cells = feed.batch(rows, epoch=0)
    again, same = feed.batch(rows, epoch=0)
    other, _ = feed.batch(rows, epoch=1)
    assert pictures.shape == (4, 24, 24, 3)
    assert pictures.dtype == torch.uint8
    assert torch.equal(pictures, again)
    assert torch.equal(cells, same)
    assert not torch.equal(pictures, other)
    assert not torch.equal(pictures[0], pictures[1])


def test_the_cell_says_what_was_done(faces):
    plain = FreshlyDiagnosed(faces[0], CONFIG, RouterTraining(clean_share=1.0), seed=0)
    pictures, cells = plain.batch(np.arange(8), 0)
    assert not cells.any()
    for picture, clean in zip(pictures.numpy(), faces[0].images[:8], strict=True):
        assert np.array_equal(picture, clean) or np.array_equal(picture, clean[:, ::-1])
    only = DegradationClassifierConfig(("salt_and_pepper",), (5,))
    pictures, cells = FreshlyDiagnosed(faces[0], only, RouterTraining(clean_share=0.0), seed=0).batch(np.arange(8), 0)
    assert (cells == 1).all()
    extreme = ((pictures == 0) | (pictures == 255)).all(dim=3).float().mean()
    assert float(extreme) == pytest.approx(0.27, abs=0.05)


def test_validation_sees_each_face_clean_too(faces):
    drawn = recipes(faces[1])[:3]
    known = KnownDiagnoses(faces[1], drawn, CONFIG)
    assert len(known) == 6
    pictures, cells = known.batch(np.arange(6), 0)
    assert np.array_equal(pictures[:3].numpy(), faces[1].images[:3])
    assert [CONFIG.cells[cell] for cell in cells] == [("none", 0)] * 3 + [(r.degradation, r.severity) for r in drawn]


@pytest.mark.parametrize(
    ("wrong", "words"), [({"monitor": "val_psnr"}, "monitor"), ({"clean_share": 2.0}, "clean_share")]
)
def test_wrong_settings_are_one_line(wrong, words):
    with pytest.raises(UserError, match=words):
        customised(ROUTER_PRESETS["sample"].training, wrong)
