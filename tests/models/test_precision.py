"""Weights stored in half the bytes, and networks made ready to judge many pictures."""

from __future__ import annotations

import copy
from collections import Counter

import numpy as np
import pytest
import torch
from safetensors.torch import load as load_tensors
from torch import nn
from torch.nn import functional

from deepfake_pipeline.media.render import RenderParams, render_face
from deepfake_pipeline.models import DETECTORS
from deepfake_pipeline.models.fast import InFloat32, prepared
from deepfake_pipeline.models.pooling import DisjointMaxPool
from deepfake_pipeline.models.residual_energy import ResidualEnergy
from deepfake_pipeline.models.run import DetectorRunner, computes_bfloat16, logits_by_each
from deepfake_pipeline.models.store import (
    build_network,
    load_network,
    network_bytes,
    network_header,
    parameter_count,
    rounded_network,
    stored_precision,
)
from deepfake_pipeline.scoring.release import packaged_release
from deepfake_pipeline.tables.errors import UserError

SMALL = {"image_size": 64, "stem": 16, "widths": (16, 32), "depths": (1, 1)}
EXAMPLES = {
    "meso4": {"image_size": 64},
    "mesoinception4": {"image_size": 64},
    "resnet_small": SMALL,
    "resnet18": {"image_size": 64},
    "frequency": {"image_size": 64},
    "residual_energy": {"image_size": 64},
    "hybrid": {"image_size": 64},
    "xception": {"image_size": 96},
    "efficientnet_b0": {"image_size": 64},
    "cnn3": {"image_size": 64},
    "ensemble": {
        "members": [{"name": "meso4", "config": {"image_size": 64}}, {"name": "resnet_small", "config": SMALL}]
    },
}


@pytest.fixture(scope="module")
def faces():
    return np.stack([render_face(number, 0, RenderParams(size=160)).image for number in range(24)])


@pytest.fixture(scope="module")
def trained():
    """The detector of the package, as the one network here that was trained for long."""
    return packaged_release().detector


def settled(name):
    """A network whose batch normalisation has seen pictures and whose weights have scale and shift."""
    torch.manual_seed(3)
    network = build_network(name, EXAMPLES[name])
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.2)
    network.train()
    with torch.no_grad():
        network(torch.rand(4, 3, network.image_size, network.image_size))
    return network.eval()


class TestFloat16:
    def test_loading_gives_the_rounded_weights_and_storing_again_the_same_bytes(self):
        network = settled("resnet_small")
        data = network_bytes(network, precision="float16")
        loaded = load_network(data)
        assert network_bytes(loaded, precision="float16") == data
        for name, value in network.state_dict().items():
            expected = value.numpy()
            if expected.ndim > 1:
                expected = expected.astype(np.float16).astype(np.float32)
            found = loaded.state_dict()[name]
            assert found.dtype == value.dtype
            np.testing.assert_array_equal(found.numpy(), expected)

    def test_the_header_says_so_and_that_of_float32_is_as_it_was(self):
        network = settled("meso4")
        half, whole = network_bytes(network, precision="float16"), network_bytes(network)
        assert network_header(half)["precision"] == stored_precision(half) == "float16"
        assert "precision" not in network_header(whole) and stored_precision(whole) == "float32"
        assert {value.dtype for value in load_tensors(half).values() if value.ndim > 1} == {torch.float16}

    def test_nearly_three_million_parameters_fit_into_the_package(self):
        network = build_network("resnet_small", {"widths": (48, 96, 192, 196)})
        assert 2_850_000 < parameter_count(network) < 3_000_000
        assert len(network_bytes(network, precision="float16")) < 6_000_000 < len(network_bytes(network)) / 1.9

    def test_probabilities_move_by_less_than_two_thousandths(self, trained, faces):
        network = copy.deepcopy(trained)  # what is packaged is rounded already
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weight in network.parameters():
                weight.mul_(1 + 1e-3 * torch.randn(weight.shape, generator=generator))
        rounded = rounded_network(network, "float16")
        probabilities = [DetectorRunner(net, "cpu").fake_probability(faces) for net in (network, rounded)]
        assert 0 < np.abs(probabilities[0] - probabilities[1]).max() < 0.002

    def test_what_float16_cannot_hold_is_refused(self):
        network = settled("meso4")
        with torch.no_grad():
            next(p for p in network.parameters() if p.ndim > 1)[0] = 1e6
        with pytest.raises(UserError, match="store the network in float32"):
            network_bytes(network, precision="float16")

    def test_an_unknown_precision_is_refused(self):
        with pytest.raises(UserError, match="its precision is float99"):
            stored_precision(network_bytes(settled("meso4"), precision="float16").replace(b"float16", b"float99"))


@pytest.mark.parametrize("side", [2, 3, 4])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_disjoint_pooling_is_max_pool(side, layout):
    images = torch.randn(2, 5, 13, 16).to(memory_format=layout)
    found = DisjointMaxPool(side)(images)
    assert torch.equal(found, functional.max_pool2d(images, side))
    assert found.is_contiguous(memory_format=layout)


class TestPrepared:
    def test_every_detector_has_an_example(self):
        assert set(EXAMPLES) == set(DETECTORS)

    @pytest.mark.parametrize("name", EXAMPLES)
    def test_a_network_made_ready_says_the_same_and_the_given_one_stays(self, name):
        network = settled(name)
        before = network_bytes(network)
        images = torch.rand(3, 3, network.image_size, network.image_size)
        with torch.inference_mode():
            expected = network(images).logit
            found = prepared(network)(images).logit
            delicate = prepared(network, mixed=True)(images).logit  # without autocast: the same again
        assert network_bytes(network) == before
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(delicate, expected, atol=1e-4, rtol=1e-4)

    @pytest.mark.parametrize("name", ["cnn3", "meso4", "mesoinception4"])
    def test_pooling_before_the_rest_gives_the_same_bits(self, name):
        network = settled(name)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):  # the least is the greatest then
                nn.init.normal_(module.weight)
        images = torch.rand(3, 3, network.image_size, network.image_size)
        ready = prepared(network)
        assert not any(isinstance(module, nn.MaxPool2d) for module in ready.modules())
        with torch.inference_mode():
            expected, found = network(images), ready(images)
        assert torch.equal(found.feature_map, expected.feature_map)
        assert torch.equal(found.logit, expected.logit)

    @pytest.mark.parametrize("pool", [nn.MaxPool2d(3, stride=2, padding=1), nn.MaxPool2d(2, ceil_mode=True)])
    def test_pooling_that_takes_values_twice_or_from_outside_stays(self, pool):
        layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), pool)
        images = torch.rand(2, 3, 13, 16)
        ready = prepared(layers)
        assert any(isinstance(module, nn.MaxPool2d) for module in ready.modules())
        assert torch.equal(ready(images), layers(images))

    def test_normalisation_is_gone_and_pixels_are_read_in_float32(self):
        ready = prepared(
            build_network("ensemble", {"members": [{"name": "resnet_small", "config": SMALL}] * 2}), mixed=True
        )
        assert not any(isinstance(module, nn.BatchNorm2d) for module in ready.modules())
        kept = [module.layer for module in ready.modules() if isinstance(module, InFloat32)]
        assert Counter(type(layer) for layer in kept) == {nn.Conv2d: 2, nn.Linear: 2}

    def test_of_the_packaged_detector_only_norms_without_a_convolution_before_them_stay(self, trained):
        ready = prepared(trained, mixed=True)
        left = [name for name, module in ready.named_modules() if isinstance(module, nn.BatchNorm2d)]
        assert left == [f"members.{number}.norm" for number in range(len(trained.members))]
        kept = [module.layer for module in ready.modules() if isinstance(module, InFloat32)]
        assert all(layer.in_channels == 3 for layer in kept if isinstance(layer, nn.Conv2d))
        assert sum(isinstance(layer, nn.Linear) for layer in kept) == len(trained.members)

    def test_members_that_measure_alike_share_what_no_training_changes(self, monkeypatch):
        measured = []
        together = ResidualEnergy.energies_of

        def counted(self, images, forms):
            measured.append((tuple(images.shape), len(forms)))
            return together(self, images, forms)

        monkeypatch.setattr(ResidualEnergy, "energies_of", counted)
        sizes = [{"image_size": 32}, {"image_size": 32, "pixels": 8}, {}, {"most": 9.0}, {"scales": 3}]
        members = [{"name": "residual_energy", "config": {"image_size": 48, **size}} for size in sizes]
        network = build_network("ensemble", {"members": members}).eval()
        images = torch.rand(2, 3, 48, 48)
        with torch.inference_mode():
            found = prepared(network)(images).logit
            assert measured == [((2, 3, 32, 32), 1), ((2, 3, 48, 48), 3)]
            torch.testing.assert_close(found, network(images).logit)

    @pytest.mark.skipif(not computes_bfloat16("cpu"), reason="this CPU has no bfloat16: nothing computes in it here")
    @pytest.mark.parametrize("name", EXAMPLES)
    def test_bfloat16_moves_probabilities_by_less_than_a_hundredth(self, name):
        network = settled(name)
        images = torch.rand(4, 3, network.image_size, network.image_size)
        ready = prepared(network, mixed=True)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            found = torch.sigmoid(ready(images).logit.float())
        with torch.inference_mode():
            expected = torch.sigmoid(network(images).logit)
        assert (found - expected).abs().max() < 0.01

    def test_bfloat16_of_the_packaged_detector_on_faces(self, trained, faces):
        exact, mixed = DetectorRunner(trained, "cpu"), DetectorRunner(trained, "cpu", mixed=True)
        assert mixed.mixed == computes_bfloat16("cpu") and not exact.mixed
        difference = np.abs(exact.fake_probability(faces) - mixed.fake_probability(faces))
        assert difference.max() < 0.01

    def test_several_detectors_judge_what_each_judges_alone(self, trained, faces):
        others = [build_network("meso4", {"image_size": 64}), build_network("cnn3", {"image_size": 64})]
        runners = [DetectorRunner(network, "cpu") for network in (*others, trained)]
        together = logits_by_each(runners, faces)
        assert together.shape == (3, len(faces))
        for found, runner in zip(together, runners, strict=True):
            np.testing.assert_array_equal(found, runner.judge(faces).logit)
        assert logits_by_each(runners, faces[:0]).shape == (3, 0)

    def test_a_face_is_judged_the_same_alone_and_among_others(self, trained, faces):
        runner = DetectorRunner(trained, "cpu", mixed=True)
        alone = np.concatenate([runner.judge(face[None]).logit for face in faces[:6]])
        np.testing.assert_allclose(runner.judge(faces).logit[:6], alone, atol=1e-4)
