"""A training goes on from a network of the same form, and starts anew from any other."""

from functools import partial

import pytest
import torch

from deepfake_pipeline.models.store import build_network, network_bytes
from deepfake_pipeline.training.config import DetectorTraining
from deepfake_pipeline.training.detector import train_detector
from deepfake_pipeline.training.result import Runtime
from deepfake_pipeline.training.start import starting
from tests.conftest import packed

SMALL = {"image_size": 32, "stem": 8, "widths": [8, 8], "depths": [1, 1], "dropout": 0.0}
PAIR = {"members": [{"name": "resnet_small", "config": SMALL}] * 2}
STILL = DetectorTraining(max_epochs=1, batch_size=16, learning_rate=1e-8, precision="float32")


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    root = tmp_path_factory.mktemp("faces")
    return packed(root / "train", 48, seed=1), packed(root / "validation", 24, seed=2)


def network(name="resnet_small", seed=5, **config):
    torch.manual_seed(seed)
    return build_network(name, config or SMALL).eval()


def weights(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def trained(faces, name, config, start=None, **runtime):
    options = Runtime(seed=0, threads=1, accelerator="cpu", **runtime)
    return train_detector(
        *faces, network=name, network_config=config, settings=STILL, runtime=options, start=start
    ).network


@pytest.mark.parametrize(
    "other",
    [
        network(**{**SMALL, "stem": 12}),
        network("meso4", dropout=0.1),
        network("ensemble", members=[{"name": "resnet_small", "config": SMALL}]),
    ],
)
def test_of_another_form_it_starts_anew_and_says_so(other, caplog):
    caplog.set_level("INFO")
    torch.manual_seed(0)
    expected = weights(build_network("resnet_small", SMALL))
    torch.manual_seed(0)
    made = starting(partial(build_network, "resnet_small", SMALL), network_bytes(other))()
    assert torch.equal(weights(made), expected)
    assert "starts anew" in caplog.text


def test_of_the_same_form_it_goes_on_from_those_weights(faces):
    before = network()
    assert (weights(trained(faces, "resnet_small", SMALL, network_bytes(before))) - weights(before)).abs().max() < 1e-5
    assert (weights(trained(faces, "resnet_small", SMALL)) - weights(before)).abs().max() > 0.01


def test_members_go_on_from_the_members_of_an_ensemble(faces):
    before = network("ensemble", **PAIR)
    after = trained(faces, "ensemble", PAIR, network_bytes(before))
    assert (weights(after) - weights(before)).abs().max() < 1e-5
    three = trained(faces, "ensemble", {"members": PAIR["members"] + PAIR["members"][:1]}, network_bytes(before))
    assert (weights(three.members[1]) - weights(before.members[1])).abs().max() < 1e-5
    assert (weights(three.members[2]) - weights(before.members[1])).abs().max() > 0.01


def test_a_checkpoint_of_a_training_from_elsewhere_is_another(faces, tmp_path):
    starts = [None, network_bytes(network(seed=1)), network_bytes(network(seed=2))]
    found = [weights(trained(faces, "resnet_small", SMALL, start, checkpoints=tmp_path)) for start in starts]
    assert not any(torch.equal(one, other) for one, other in zip(found, [*found[1:], found[0]], strict=True))
    assert len(list(tmp_path.iterdir())) == 3
