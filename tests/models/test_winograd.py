"""Minimal filtering against plain convolution."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import nn
from torch.nn import functional

from deepfake_pipeline.models.fast import prepared
from deepfake_pipeline.models.inputs import to_network
from deepfake_pipeline.models.run import DetectorRunner
from deepfake_pipeline.models.winograd import POINTS, TILE, Conv3x3, Winograd, has_short_way, transforms
from deepfake_pipeline.scoring.release import packaged_release


def test_transforms_correlate_seven_places_with_three_taps() -> None:
    results, taps, inputs = transforms()
    d, g = torch.randn(9, dtype=torch.float64), torch.randn(3, dtype=torch.float64)
    found = results @ ((taps @ g) * (inputs @ d))
    torch.testing.assert_close(found, d.unfold(0, 3, 1) @ g)
    assert found.shape == (TILE,)
    assert inputs.abs().max() == results.abs().max() == 1


def test_the_points_round_less_than_the_usual_ones() -> None:
    def error(points: tuple[Fraction, ...]) -> float:
        results, taps, inputs = transforms(points)
        d, g = torch.randn(9, 500, generator=torch.Generator().manual_seed(0)), torch.tensor([0.3, -0.5, 0.4])
        products = (taps @ g.double()).float()[:, None] * (inputs.float() @ d)
        exact = d.double().unfold(0, 3, 1) @ g.double()
        return float((results.float() @ products - exact).square().mean().sqrt())

    usual = tuple(map(Fraction, ("0", "1", "-1", "2", "-2", "1/2", "-1/2", "4")))
    assert error(POINTS) < 0.8 * error(usual)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("pictures", "height", "width"), [(16, 7, 7), (33, 14, 7), (5, 28, 28), (1, 28, 42)])
def test_tiles_give_what_a_convolution_gives(pictures: int, height: int, width: int, bias: bool) -> None:
    conv = nn.Conv2d(35, 40, 3, padding=1, bias=bias).to(memory_format=torch.channels_last)
    images = torch.randn(pictures, 35, height, width).relu().to(memory_format=torch.channels_last)
    short = Winograd(conv)
    short.conv.forward = None  # type: ignore[assignment]  # the usual way would not do
    with torch.inference_mode():
        found = short(images)
    bits = None if conv.bias is None else conv.bias.detach().double()
    expected = functional.conv2d(images.double(), conv.weight.detach().double(), bits, padding=1)
    assert found.is_contiguous(memory_format=torch.channels_last)
    error = (found - expected).square().mean().sqrt() / expected.std()
    assert error < 1e-5
    torch.testing.assert_close(found.double(), expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("pictures", "height", "width"), [(16, 7, 7), (33, 14, 7), (9, 28, 28)])
def test_gradients_are_those_of_a_convolution(pictures: int, height: int, width: int, bias: bool) -> None:
    short = Conv3x3(33, 40, 3, padding=1, bias=bias).to(memory_format=torch.channels_last)
    exact = nn.Conv2d(33, 40, 3, padding=1, bias=bias).double()
    exact.load_state_dict(short.state_dict())
    images = torch.randn(pictures, 33, height, width).relu().to(memory_format=torch.channels_last).requires_grad_()
    twin = images.detach().double().requires_grad_()
    found, expected = short.train()(images), exact(twin)
    assert type(found.grad_fn).__name__ == ("AddBackward0" if bias else "_TrainedBackward")
    outer = torch.randn_like(found)
    found.backward(outer)
    expected.backward(outer.double())
    for mine, theirs in ((images, twin), *zip(short.parameters(), exact.parameters(), strict=True)):
        assert mine.grad is not None
        assert theirs.grad is not None
        error = (mine.grad - theirs.grad).square().mean().sqrt() / theirs.grad.square().mean().sqrt()
        assert error < 2e-5


def test_the_first_layer_needs_no_gradient_of_pictures() -> None:
    conv = Conv3x3(32, 32, 3, padding=1).train()
    conv(torch.randn(4, 32, 14, 14)).sum().backward()
    assert conv.weight.grad is not None


def test_only_training_on_a_cpu_in_float32_goes_the_short_way() -> None:
    conv, images = Conv3x3(32, 32, 3, padding=1), torch.randn(8, 32, 14, 14)
    assert torch.equal(conv.eval()(images), nn.Conv2d.forward(conv, images))
    assert torch.equal(conv.train().double()(images.double()), nn.Conv2d.forward(conv, images.double()))
    with torch.autocast("cpu", torch.bfloat16):
        assert conv.float()(images).dtype is torch.bfloat16
    assert type(conv(images[:, :, :13]).grad_fn).__name__ == "ConvolutionBackward0"


@pytest.mark.parametrize(("pictures", "side"), [(20, 13), (3, 14)])
def test_maps_that_do_not_fit_and_single_small_ones_go_the_usual_way(pictures: int, side: int) -> None:
    conv = nn.Conv2d(32, 32, 3, padding=1)
    images = torch.randn(pictures, 32, side, side)
    short = Winograd(conv)
    assert torch.equal(short(images), conv(images))
    assert "weight" not in vars(short)  # it takes room that is not needed


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(32, 32, 3, stride=2, padding=1),
        nn.Conv2d(32, 32, 3),
        nn.Conv2d(32, 32, 1),
        nn.Conv2d(64, 64, 3, padding=1, groups=2),
        nn.Conv2d(32, 32, 3, padding=1, dilation=2),
        nn.Conv2d(32, 32, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(16, 64, 3, padding=1),
    ],
)
def test_other_convolutions_have_no_short_way(conv: nn.Conv2d) -> None:
    assert not has_short_way(conv)


def test_the_packaged_detector_goes_the_short_way_and_says_the_same() -> None:
    detector = packaged_release().detector
    runner = DetectorRunner(detector, "cpu")
    short = [module for module in runner.network.modules() if isinstance(module, Winograd)]
    assert len(short) >= 20
    pictures = torch.randint(0, 256, (6, 40, 40, 3), dtype=torch.uint8)
    pictures = functional.interpolate(pictures.permute(0, 3, 1, 2).float(), size=224, mode="bilinear")
    pictures = pictures.round().to(torch.uint8).permute(0, 2, 3, 1)
    with torch.inference_mode():
        expected = prepared(detector)(to_network(pictures, 224)).logit
    torch.testing.assert_close(torch.from_numpy(runner.judge(pictures.numpy()).logit), expected, atol=1e-3, rtol=1e-3)
    assert any("weight" in vars(module) for module in short)
