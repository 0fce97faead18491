import numpy as np
import pytest
import torch
from scipy.ndimage import correlate

from deepfake_pipeline.models import DETECTORS, ENHANCERS
from deepfake_pipeline.models.inputs import to_network, to_pictures
from deepfake_pipeline.models.recurrent_unet import RecurrentBlock
from deepfake_pipeline.models.run import DetectorRunner, EnhancerRunner
from deepfake_pipeline.models.store import (
    build_network,
    load_network,
    network_bytes,
    network_header,
    network_name,
    parameter_count,
)
from deepfake_pipeline.tables.errors import UserError

PUBLISHED = {"recurrent_unet": 134_067, "meso4": 27_977, "mesoinception4": 28_615, "cnn3": 44_396_609}
TRUNKS = {"xception": 20_806_952, "efficientnet_b0": 4_007_548, "resnet18": 11_176_512}  # published without classifier
OURS = {
    "resnet_small": 1_423_633,
    "hybrid": 1_059_841,
    "frequency": 1_425_345,
    "residual_energy": 937_607,
    "recurrent_unet_wide": 523_182,
    "nafnet": 367_358,
}


def pictures(count, side, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize(("name", "count"), [*PUBLISHED.items(), *OURS.items()])
def test_parameter_counts(name, count):
    with torch.device("meta"):
        assert parameter_count(build_network(name)) == count


@pytest.mark.parametrize(("name", "count"), TRUNKS.items())
def test_parameter_counts_without_the_last_layer(name, count):
    with torch.device("meta"):
        network = build_network(name)
    assert parameter_count(network) - parameter_count(network.head) == count


@pytest.mark.parametrize(("height", "width"), [(16, 16), (33, 57), (160, 160)])
def test_enhancer_takes_any_size_and_starts_as_the_identity(height, width):
    images = torch.rand(1, 3, height, width)
    assert torch.equal(build_network("recurrent_unet").eval()(images), images)


def test_recurrent_block_equals_its_definition():
    torch.manual_seed(0)
    block = RecurrentBlock(2, 3, steps=1).eval()
    image = torch.rand(1, 2, 8, 8)

    def convolve(x, conv, norm):
        weight = conv.weight.detach().numpy()
        y = np.stack([sum(correlate(x[i], weight[o, i], mode="constant") for i in range(len(x))) for o in range(3)])
        y /= np.sqrt(1 + norm.eps)  # running mean 0, running variance 1
        return torch.nn.functional.gelu(torch.from_numpy(y)).numpy()

    with torch.inference_mode():
        result = block(image)[0].numpy()
    first = convolve(image[0].numpy(), block.first.conv, block.first.norm)
    once = convolve(first, block.recurrent, block.norms[0])
    twice = convolve(first + once, block.recurrent, block.norms[1])
    np.testing.assert_allclose(result, first + twice, atol=1e-5)


class TestStore:
    @pytest.mark.parametrize("name", sorted({*PUBLISHED, *OURS} - {"cnn3"}))
    def test_a_round_trip_keeps_bytes_and_outputs(self, name):
        torch.manual_seed(1)
        network = build_network(name)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.05)
        data = network_bytes(network)
        loaded = load_network(data)
        assert network_bytes(loaded) == data
        assert network_name(loaded) == name
        side = getattr(network, "image_size", 64)
        images = torch.rand(1, 3, side, side)
        outputs = [net.eval()(images) for net in (network, loaded)]
        first, second = (out if torch.is_tensor(out) else out.logit for out in outputs)
        assert torch.equal(first, second)

    def test_the_configuration_is_in_the_header(self):
        network = build_network("cnn3", {"image_size": 64, "dropout": 0.5})
        assert network_header(network_bytes(network, note=1)) == {
            "name": "cnn3",
            "config": {"image_size": 64, "dropout": 0.5},
            "note": 1,
        }

    @pytest.mark.parametrize("data", [b"", b"hello", b"\x10\0\0\0\0\0\0\0{}              ", bytes(100)])
    def test_what_is_no_network_is_refused(self, data):
        with pytest.raises(UserError, match="not a network"):
            load_network(data)

    def test_damaged_weights_are_refused(self):
        data = network_bytes(build_network("meso4"))
        with pytest.raises(UserError, match="cannot load"):
            load_network(data[:-100])

    def test_unknown_names_and_fields_are_refused(self):
        with pytest.raises(UserError, match="unknown network 'vgg'"):
            build_network("vgg")
        with pytest.raises(UserError, match="has no depth"):
            build_network("meso4", {"depth": 3})


class TestInputs:
    def test_pictures_survive_the_way_in_and_out(self):
        images = torch.from_numpy(pictures(2, 20))
        assert torch.equal(to_pictures(to_network(images)), images)

    def test_values_lie_in_the_unit_interval_channels_first(self):
        floats = to_network(torch.from_numpy(pictures(2, 20)), 16)
        assert floats.shape == (2, 3, 16, 16)
        assert 0 <= floats.min() < floats.max() <= 1

    def test_shrinking_does_not_alias(self):
        stripes = np.zeros((1, 64, 64, 3), np.uint8)
        stripes[:, :, ::2] = 255
        shrunk = to_network(torch.from_numpy(stripes), 16)
        assert shrunk[..., 2:-2].std() < 0.02


class TestRunners:
    def test_probabilities_do_not_depend_on_the_batch(self):
        runner = DetectorRunner(build_network("meso4", {"image_size": 64}), "cpu")
        images = pictures(40, 48)
        together = runner.fake_probability(images)
        alone = np.concatenate([runner.fake_probability(image[None]) for image in images])
        assert together.shape == (40,)
        np.testing.assert_allclose(together, alone, atol=1e-6)

    def test_nothing_in_nothing_out(self):
        assert DetectorRunner(build_network("meso4"), "cpu").fake_probability(pictures(0, 48)).shape == (0,)

    def test_the_enhancer_gives_pictures(self):
        images = pictures(3, 40)
        assert np.array_equal(EnhancerRunner(build_network("recurrent_unet"), "cpu").enhance(images), images)


def test_every_network_can_be_looked_up():
    assert set(DETECTORS) | set(ENHANCERS) == {*PUBLISHED, *TRUNKS, *OURS, "ensemble"}
