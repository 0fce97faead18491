import numpy as np
import pytest
import torch
from torch import nn

from deepfake_pipeline.degrade import DEGRADATIONS
from deepfake_pipeline.models import ENHANCERS, fused
from deepfake_pipeline.models.enhancer import Film, LightMap
from deepfake_pipeline.models.nafnet import LayerNorm
from deepfake_pipeline.models.recurrent_unet import RecurrentUNet
from deepfake_pipeline.models.run import EnhancerRunner
from deepfake_pipeline.models.store import build_network, load_network, network_bytes, parameter_count
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.training.presets import ENHANCER_PRESETS, resolved

TOLD = ("gaussian_blur", "shadow", "jpeg")
FOLDED = {"widths": (16, 32, 60), "fold": 2, "normalise": False, "light": True}
PAPERS = 134_067


def random_network(name, config=None, std=0.05):
    """A network whose every part matters, with statistics of its own where it has any."""
    torch.manual_seed(0)
    network = build_network(name, config)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(std=0.1)
            layer.running_var.uniform_(0.5, 2)
        if isinstance(layer, Film) and layer.linear is not None:
            nn.init.normal_(layer.linear.weight, std=0.3)
    nn.init.normal_(network.last.weight, std=std)
    return network.eval()


def pictures(count, height, width):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ENHANCERS)
@pytest.mark.parametrize(("height", "width"), [(16, 16), (33, 57)])
def test_any_size_is_taken_and_the_beginning_is_the_identity(name, height, width):
    network = build_network(name, {"conditions": TOLD}).eval()
    images = torch.rand(2, 3, height, width)
    condition = torch.tensor([[0, 1, 0], [0.2, 0, 0]])
    for told in (None, torch.zeros(2, 3), condition):
        assert torch.equal(network(images, told), images)


@pytest.mark.parametrize("names", [("gaussian_blur", "shadow", "salt_and_pepper", "jpeg"), tuple(DEGRADATIONS)])
def test_what_the_default_training_builds_stays_within_the_papers_budget(names):
    config, _ = resolved(ENHANCER_PRESETS["small"], "recurrent_unet", {"conditions": names}, {})
    assert parameter_count(build_network("recurrent_unet", config)) <= PAPERS
    assert parameter_count(build_network("nafnet", {"conditions": names})) < 1_000_000
    assert parameter_count(build_network("recurrent_unet_wide", {"conditions": names})) < 1_000_000


@pytest.mark.parametrize("name", ENHANCERS)
def test_what_is_told_matters_and_nothing_told_is_zeros(name):
    network = random_network(name, {"conditions": TOLD})
    images = torch.rand(2, 3, 24, 24)
    with torch.inference_mode():
        blind, zeros = network(images), network(images, torch.zeros(2, 3))
        told = network(images, torch.tensor([[0.0, 0, 0], [0, 0.6, 0]]))
    assert torch.equal(blind, zeros)
    torch.testing.assert_close(told[0], blind[0])
    assert (told[1] - blind[1]).abs().max() > 1e-3


def test_a_condition_of_another_shape_is_refused():
    network = build_network("nafnet", {"conditions": TOLD})
    with pytest.raises(ValueError, match=r"\(1, 2\), not \(1, 3\)"):
        network(torch.rand(1, 3, 16, 16), torch.zeros(1, 2))


@pytest.mark.parametrize("name", ENHANCERS)
def test_stored_networks_keep_what_they_are_told(name):
    network = random_network(name, {"conditions": TOLD})
    loaded = load_network(network_bytes(network))
    assert loaded.conditions == TOLD
    images, condition = torch.rand(1, 3, 20, 20), torch.tensor([[0.0, 1, 0]])
    assert torch.equal(loaded(images, condition), network(images, condition))


def test_a_map_of_light_multiplies():
    light = LightMap(2, 3)
    fine, coarse = torch.rand(1, 2, 8, 8), torch.rand(1, 3, 2, 2)
    assert torch.equal(light(fine, coarse, 2), torch.ones(1, 1, 16, 16))
    nn.init.constant_(light.coarse.bias, float(np.log(2)))
    torch.testing.assert_close(light(fine, coarse, 2), torch.full((1, 1, 16, 16), 2.0))


def test_layer_norm_is_over_the_channels_of_each_pixel():
    norm = LayerNorm(5)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = torch.rand(2, 5, 3, 4).double()
    norm.double()
    mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, correction=0)
    expected = (x - mean) / (variance + 1e-6).sqrt() * norm.weight[:, None, None] + norm.bias[:, None, None]
    torch.testing.assert_close(norm(x), expected)


@pytest.mark.skipif(not fused.is_available(), reason="torch without oneDNN")
@pytest.mark.parametrize(
    "config",
    [{}, FOLDED, {**FOLDED, "conditions": TOLD}, {"conditions": TOLD}],
    ids=["paper", "folded", "told", "told and normalised"],
)
def test_a_fused_network_is_the_network(config):
    network = random_network("recurrent_unet", config)
    fast = fused.fused(network, torch.float32)
    assert fast is not network
    images = torch.rand(2, 3, 37, 43)
    conditions = [None] if not network.conditions else [None, torch.tensor([[0.0, 1, 0], [0, 0, 0]])]
    for condition in conditions:
        with torch.inference_mode():
            torch.testing.assert_close(fast(images, condition), network(images, condition), atol=1e-5, rtol=1e-4)


class TestRunner:
    @pytest.mark.parametrize("name", ENHANCERS)
    def test_its_pictures_are_those_of_float32_but_for_rounding(self, name):
        network = random_network(name, std=0.01)
        images = pictures(3, 40, 50)
        with torch.inference_mode():
            floats = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
            expected = (network(floats) * 255).clamp(0, 255).permute(0, 2, 3, 1).numpy()
        restored = EnhancerRunner(network, "cpu").enhance(images)
        assert np.sqrt(np.square(restored - expected).mean()) < 0.5 + np.sqrt(1 / 12)

    def test_a_network_that_bfloat16_would_spoil_runs_in_float32(self):
        network = random_network("recurrent_unet", FOLDED, std=20.0)
        assert "float32" in EnhancerRunner(network, "cpu").backend

    def test_it_does_not_depend_on_threads_or_batches(self):
        runner = EnhancerRunner(random_network("recurrent_unet", {**FOLDED, "conditions": TOLD}), "cpu")
        images = pictures(5, 200, 180)  # one at a time
        condition = np.eye(5, 3, dtype=np.float32)
        alone = [runner.enhance(images[row : row + 1], condition[row : row + 1])[0] for row in range(5)]
        assert np.array_equal(runner.enhance(images, condition), np.stack(alone))
        threads = torch.get_num_threads()
        torch.set_num_threads(2)
        try:
            together = runner.enhance(images, condition)
        finally:
            torch.set_num_threads(threads)
        assert np.array_equal(together, np.stack(alone))

    def test_no_numbers_are_no_picture(self):
        network = random_network("recurrent_unet")
        network.last.bias.data.fill_(float("nan"))
        with pytest.raises(UserError, match="no numbers"):
            EnhancerRunner(network, "cpu").enhance(pictures(1, 32, 32))

    def test_nothing_in_nothing_out(self):
        assert EnhancerRunner(RecurrentUNet(), "cpu").enhance(pictures(0, 32, 32)).shape == (0, 32, 32, 3)
