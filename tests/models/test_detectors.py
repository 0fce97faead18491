"""What every detector promises, and the layers of the published ones against their papers."""

import numpy as np
import pytest
import torch
from scipy.fft import dctn
from scipy.ndimage import correlate
from torch.nn import functional

from deepfake_pipeline.models import DETECTORS
from deepfake_pipeline.models.efficientnet_b0 import STAGES, InvertedBottleneck
from deepfake_pipeline.models.frequency import dct_filters, srm_kernels
from deepfake_pipeline.models.hybrid import EncoderBlock
from deepfake_pipeline.models.resnet18 import BasicBlock
from deepfake_pipeline.models.store import build_network, load_network, network_bytes
from deepfake_pipeline.models.xception import Block

SHAPES = {  # feature map and embedding at the network's own size
    "cnn3": ((128, 26, 26), 512),
    "meso4": ((16, 8, 8), 16),
    "mesoinception4": ((16, 8, 8), 16),
    "xception": ((2048, 10, 10), 2048),
    "efficientnet_b0": ((1280, 7, 7), 1280),
    "resnet18": ((512, 7, 7), 512),
    "resnet_small": ((144, 5, 5), 144),
    "hybrid": ((160, 8, 8), 160),
    "frequency": ((192, 8, 8), 192),
    "residual_energy": ((128, 7, 7), 128),
}
SMALL = {name: {"image_size": 64} for name in SHAPES}  # quick, and legal for all
SMALL["ensemble"] = {
    "members": [
        {"name": "meso4", "config": {"image_size": 64}, "temperature": 1.5},
        {"name": "frequency", "config": {"image_size": 32}, "temperature": 0.7},
    ]
}


def on_meta(name):
    """A network and a batch without memory: shapes cost nothing to compute."""
    computed = name in ("frequency", "residual_energy")  # autocast, which they turn off, knows no meta
    with torch.device("cpu" if computed else "meta"):
        network = build_network(name).eval()
        return network, torch.rand(2, 3, network.image_size, network.image_size)


def shapes_after(network, images, kinds):
    """Output shapes of all modules of some kinds, in the order in which they compute."""
    shapes = []
    for module in network.modules():
        if isinstance(module, kinds):
            module.register_forward_hook(lambda _m, _i, output: shapes.append(tuple(output.shape[1:])))
    network(images)
    return shapes


def convolution(inputs, outputs, kernel=1, groups=1):
    """Weights of a convolution without bias and of the normalisation after it."""
    return kernel * kernel * inputs // groups * outputs + 2 * outputs


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name):
    network, images = on_meta(name)
    output = network(images)
    feature_map, embedding = SHAPES[name]
    assert output.logit.shape == (2,)
    assert output.feature_map.shape == (2, *feature_map)
    assert output.embedding.shape == (2, embedding)


def test_all_detectors_are_tried():
    assert set(SMALL) == set(DETECTORS)


@pytest.mark.parametrize("name", SMALL)
class TestEveryDetector:
    def images(self, count=2):
        return torch.rand(count, 3, 64, 64, generator=torch.Generator().manual_seed(0))

    def test_a_gradient_reaches_every_parameter(self, name):
        torch.manual_seed(0)
        network = build_network(name, SMALL[name]).train()
        images = torch.randn(4, 3, 64, 64)  # of both signs, or a channel may start where its ReLU is flat
        loss = functional.binary_cross_entropy_with_logits(network(images).logit, torch.tensor([0, 1, 1, 0.0]))
        loss.backward()
        without = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.any()]
        assert without == []

    def test_the_logit_comes_from_the_feature_map(self, name):
        network = build_network(name, SMALL[name]).eval()
        outputs = network.judged_by_each(self.images()) if name == "ensemble" else [network(self.images())]
        for output in outputs:
            (gradient,) = torch.autograd.grad(output.logit.sum(), output.feature_map)
            assert gradient.any()

    def test_bfloat16_and_channels_last_stay_close_to_float32(self, name):
        torch.manual_seed(0)
        network = build_network(name, SMALL[name]).eval()
        with torch.inference_mode():
            exact = network(self.images()).logit
            network.to(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                rounded = network(self.images().to(memory_format=torch.channels_last))
        assert all(torch.isfinite(part).all() for part in rounded)
        torch.testing.assert_close(rounded.logit.float(), exact, atol=0.03, rtol=0.03)

    def test_a_face_is_judged_alike_alone_and_in_company(self, name):
        torch.manual_seed(0)
        network = build_network(name, SMALL[name]).eval()
        with torch.inference_mode():
            together = network(self.images(3)).logit
            alone = torch.cat([network(image[None]).logit for image in self.images(3)])
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)

    def test_a_round_trip_keeps_bytes_and_logits(self, name):
        torch.manual_seed(0)
        network = build_network(name, SMALL[name]).eval()
        data = network_bytes(network)
        loaded = load_network(data)
        assert network_bytes(loaded) == data
        with torch.inference_mode():
            assert torch.equal(network(self.images()).logit, loaded(self.images()).logit)


class TestPublishedLayers:
    def test_xception(self):
        network, images = on_meta("xception")
        assert shapes_after(network, images, Block) == [
            (128, 74, 74),
            (256, 37, 37),
            *[(728, 19, 19)] * 9,
            (1024, 10, 10),
        ]

    def test_xception_has_as_many_weights_as_its_figure_adds_up_to(self):
        def separable(inputs, outputs):
            return 9 * inputs + inputs * outputs + 2 * outputs

        entry = convolution(3, 32, 3) + convolution(32, 64, 3)
        for inputs, outputs in ((64, 128), (128, 256), (256, 728)):
            entry += convolution(inputs, outputs) + separable(inputs, outputs) + separable(outputs, outputs)
        middle = 8 * 3 * separable(728, 728)
        leave = convolution(728, 1024) + separable(728, 728) + separable(728, 1024)
        leave += separable(1024, 1536) + separable(1536, 2048)
        network, _ = on_meta("xception")
        assert entry + middle + leave == sum(value.numel() for value in network.features.parameters()) == 20_806_952
        with_statistics = sum(
            value.numel() for key, value in network.features.state_dict().items() if "num_batches" not in key
        )
        assert with_statistics == 20_861_480

    def test_efficientnet_b0(self):
        network, images = on_meta("efficientnet_b0")
        shapes = shapes_after(network, images, InvertedBottleneck)
        sides = (112, 56, 28, 14, 14, 7, 7)
        expected = [
            (outputs, side, side)
            for (*_, outputs, blocks), side in zip(STAGES, sides, strict=True)
            for _ in range(blocks)
        ]
        assert shapes == expected

    def test_efficientnet_b0_has_as_many_weights_as_its_table_adds_up_to(self):
        total, inputs = convolution(3, 32, 3) + convolution(320, 1280), 32
        for expansion, kernel, _, outputs, blocks in STAGES:
            for _ in range(blocks):
                middle, squeezed = expansion * inputs, inputs // 4
                total += convolution(inputs, middle) if expansion > 1 else 0
                total += convolution(middle, middle, kernel, groups=middle) + convolution(middle, outputs)
                total += 2 * middle * squeezed + squeezed + middle
                inputs = outputs
        assert total == 4_007_548

    def test_resnet18(self):
        network, images = on_meta("resnet18")
        assert shapes_after(network, images, BasicBlock) == [
            (width, side, side) for width, side in ((64, 56), (128, 28), (256, 14), (512, 7)) for _ in range(2)
        ]


@pytest.mark.parametrize("name", ["resnet_small", "hybrid", "frequency"])
def test_small_networks_fit_six_megabytes(name):
    assert len(network_bytes(build_network(name))) < 6_000_000


@pytest.mark.parametrize("side", [112, 144, 150, 160])
def test_the_small_residual_network_takes_any_size(side):
    network = build_network("resnet_small", {"image_size": side}).eval()
    assert network(torch.rand(1, 3, side, side)).logit.shape == (1,)


def test_skipped_blocks_keep_the_mean():
    torch.manual_seed(0)
    block = InvertedBottleneck(8, 8, 2, 3, 1, skipped=0.25).train()
    block.body = torch.nn.Identity()
    image = torch.ones(4000, 8, 1, 1)
    added = (block(image) - image)[:, 0, 0, 0]
    assert sorted(set(added.tolist())) == pytest.approx([0, 4 / 3])
    assert added.mean().item() == pytest.approx(1, abs=0.05)
    assert torch.equal(block.eval()(image), 2 * image)


def test_attention_is_that_of_torch():
    torch.manual_seed(0)
    block = EncoderBlock(20, 5, 0.0)
    oracle = torch.nn.MultiheadAttention(20, 5, batch_first=True)
    oracle.load_state_dict(
        {
            "in_proj_weight": block.query_key_value.weight,
            "in_proj_bias": block.query_key_value.bias,
            "out_proj.weight": block.joined.weight,
            "out_proj.bias": block.joined.bias,
        }
    )
    tokens = torch.rand(2, 7, 20)
    torch.testing.assert_close(block._attend(tokens), oracle(tokens, tokens, tokens)[0], atol=1e-6, rtol=1e-5)


class TestFrequency:
    @pytest.fixture(scope="class")
    def network(self):
        return build_network("frequency", {"image_size": 32}).eval()

    def test_dct_is_scipys(self):
        block = np.random.default_rng(0).random((8, 8))
        ours = (dct_filters(8).double().numpy() * block).sum((1, 2))
        np.testing.assert_allclose(ours, dctn(block, norm="ortho").ravel(), atol=1e-5)

    def test_magnitudes_are_those_of_each_block(self, network):
        image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        luma = np.tensordot([0.299, 0.587, 0.114], image[0].double().numpy(), 1)
        expected = np.log(np.abs(dctn(luma[8:16, 24:32], norm="ortho")).ravel() + 1 / 255)
        np.testing.assert_allclose(network.magnitudes(image)[0, :, 1, 3].numpy(), expected, atol=1e-3)

    def test_residuals_are_filtered_grey_levels_clipped_at_three(self, network):
        image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) / 64
        residuals = network.residuals(image)[0].numpy()
        for number, kernel in enumerate(srm_kernels().numpy()):
            expected = correlate(255 * image[0, 2].numpy(), kernel, mode="mirror") / 3
            np.testing.assert_allclose(residuals[6 + number], expected.clip(-1, 1), atol=1e-4)

    def test_flat_areas_and_gradients_leave_no_residual(self, network):
        ramp = torch.linspace(0, 1, 32).view(1, 1, 1, 32) + torch.linspace(0, 0.5, 32).view(1, 1, 32, 1)
        residuals = network.residuals(ramp.expand(1, 3, 32, 32) / 2)
        assert residuals[..., 2:-2, 2:-2].abs().max() < 1e-3

    def test_fixed_filters_are_measured_in_float32_under_autocast(self, network):
        image = torch.rand(1, 3, 32, 32)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(network.residuals(image), network.residuals(image).float())
            rounded = network.magnitudes(image)
        assert torch.equal(rounded, network.magnitudes(image))

    def test_fixed_filters_are_no_weights(self, network):
        assert not {"srm", "dct"} & set(network.state_dict())
        assert not network.srm.requires_grad
