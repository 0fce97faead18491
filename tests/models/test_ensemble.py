import numpy as np
import pytest
import torch

from deepfake_pipeline.models.ensemble import EnsembleConfig, Member, ensemble_of
from deepfake_pipeline.models.run import DetectorRunner
from deepfake_pipeline.models.store import (
    build_network,
    load_network,
    network_bytes,
    network_header,
    network_name,
    parameter_count,
)
from deepfake_pipeline.tables.errors import UserError


@pytest.fixture(scope="module")
def members():
    torch.manual_seed(0)
    return [
        (build_network("meso4", {"image_size": 64}).eval(), 1.5),
        (build_network("resnet_small", {"image_size": 64, "widths": [16, 32], "depths": [1, 1]}).eval(), 0.5),
    ]


def images(side=64):
    return torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def test_the_logit_is_the_mean_of_the_calibrated_ones(members):
    expected = sum(network(images()).logit / temperature for network, temperature in members) / 2
    torch.testing.assert_close(ensemble_of(members)(images()).logit, expected)


@torch.inference_mode()
def test_one_member_at_temperature_one_is_that_member(members):
    network = members[0][0]
    assert torch.equal(ensemble_of([(network, 1.0)])(images()).logit, network(images()).logit)


@torch.inference_mode()
def test_maps_and_embeddings_are_joined(members):
    output = ensemble_of(members)(images())
    alone = [network(images()) for network, _ in members]
    height = max(part.feature_map.shape[2] for part in alone)
    channels = sum(part.feature_map.shape[1] for part in alone)
    assert output.feature_map.shape == (3, channels, height, height)
    assert torch.equal(output.embedding, torch.cat([part.embedding for part in alone], dim=1))


@torch.inference_mode()
def test_each_member_sees_its_own_size():
    torch.manual_seed(0)
    small, large = (build_network("meso4", {"image_size": side}).eval() for side in (32, 64))
    ensemble = ensemble_of([(small, 1.0), (large, 1.0)])
    assert ensemble.image_size == 64
    shrunk = torch.nn.functional.interpolate(images(), (32, 32), mode="bilinear", antialias=True)
    expected = (small(shrunk).logit + large(images()).logit) / 2
    torch.testing.assert_close(ensemble(images()).logit, expected)


def test_a_round_trip_keeps_bytes_members_and_probabilities(members):
    ensemble = ensemble_of(members)
    data = network_bytes(ensemble)
    loaded = load_network(data)
    assert network_bytes(loaded) == data
    assert network_name(loaded) == "ensemble"
    header = network_header(data)["config"]
    assert [(member["name"], member["temperature"]) for member in header["members"]] == [
        ("meso4", 1.5),
        ("resnet_small", 0.5),
    ]
    pictures = np.random.default_rng(0).integers(0, 256, (4, 80, 80, 3), dtype=np.uint8)
    first, second = (DetectorRunner(network, "cpu").fake_probability(pictures) for network in (ensemble, loaded))
    assert np.array_equal(first, second)


def test_members_are_copies_and_counted_together(members):
    ensemble = ensemble_of(members)
    assert parameter_count(ensemble) == sum(parameter_count(network) for network, _ in members)
    with torch.no_grad():
        ensemble.members[0].head.bias.add_(1)
    assert not torch.equal(ensemble.members[0].head.bias, members[0][0].head.bias)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "an ensemble needs members"),
        ([{"name": "meso4", "temperature": 0.0}], "temperature of member 'meso4' is 0.0: it must be above 0"),
        ([{"name": "meso4", "temperature": float("nan")}], "it must be above 0"),
        ([{"name": "ensemble"}], "cannot be a member"),
        ([{"name": "meso4", "weight": 2}], "name, config and temperature"),
        (["meso4"], "name, config and temperature"),
        ([{"name": "vgg"}], "unknown network 'vgg'"),
        ([{"name": "recurrent_unet"}], "must be a detector"),
        ([{"name": "meso4", "config": {"depth": 3}}], "has no depth"),
    ],
)
def test_wrong_members_are_refused_in_one_line(members, message):
    with pytest.raises(UserError, match=message) as refused:
        build_network("ensemble", {"members": members})
    assert "\n" not in str(refused.value)


def test_members_may_be_given_either_way():
    assert EnsembleConfig(({"name": "meso4"},)) == EnsembleConfig((Member("meso4"),))
