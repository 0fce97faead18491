"""Enhancers on a CPU: convolution, normalisation and GELU in one pass of oneDNN, in bfloat16 where the CPU has it.

A plain layer writes its result three times, and the GELU alone takes a quarter of the time. oneDNN computes all three
while the numbers are still in a register; torch offers that to its own compiler as ``mkldnn._convolution_pointwise``,
which needs no compiler on the machine. ``benchmarks/enhancement.py`` measures what it brings.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

from deepfake_pipeline.models.enhancer import Enhancer
from deepfake_pipeline.models.pooling import disjoint
from deepfake_pipeline.models.recurrent_unet import ConvNormAct, RecurrentBlock, Upward

TOLERANCE = 0.5 / 255
"""Root mean square by which a fast form may differ from float32: half a step of a pixel."""


def is_available() -> bool:
    """Whether this build of torch has oneDNN, and the calls."""
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    calls = ("_convolution_pointwise", "_convolution_transpose_pointwise")
    return available and all(hasattr(torch.ops.mkldnn, call) for call in calls)


def fused(network: Enhancer, dtype: torch.dtype) -> Enhancer:
    """A copy for inference on a CPU, whose convolutions compute in ``dtype``; to be run under autocast to it.

    The network itself where it has none that can be fused, or torch cannot.
    """
    if not is_available() or not any(isinstance(module, ConvNormAct) for module in network.modules()):
        return network
    made: Any = copy.deepcopy(network).eval()
    for name, module in list(made.named_modules()):
        if isinstance(module, RecurrentBlock):
            made.set_submodule(name, _Block(module, dtype))
        elif isinstance(module, Upward):
            made.set_submodule(name, _Upward(module, dtype))
        elif isinstance(module, ConvNormAct) and ".first" not in name:
            made.set_submodule(name, _Layer(module, dtype))
        elif isinstance(module, nn.PixelUnshuffle):
            made.set_submodule(name, _Fold(module.downscale_factor, dtype))
        elif pool := disjoint(module):
            made.set_submodule(name, pool)
    made.last = _Convolution(made.last, nn.Identity(), dtype)
    fast: Enhancer = made.to(memory_format=torch.channels_last)
    return fast


@torch.inference_mode()
def difference(network: Enhancer, other: Enhancer, dtype: torch.dtype) -> float:
    """Root mean square between a network in float32 and another form of it, on a fixed picture of noise and slopes."""
    slopes = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    pictures = torch.cat([slopes, noise, (slopes + slopes.transpose(2, 3) + 0.2 * noise) / 2.2])
    with torch.autocast("cpu", dtype, enabled=dtype is not torch.float32):
        found = other(pictures).float()
    return float((found - network(pictures)).square().mean().sqrt())


def _with_norm(conv: nn.Conv2d, norm: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of a convolution and the normalisation after it, as one."""
    weight, bias = conv.weight, conv.bias
    if isinstance(norm, nn.BatchNorm2d):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        weight, bias = fuse_conv_bn_weights(
            weight, bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
    return weight.detach(), None if bias is None else bias.detach()


class _Convolution(nn.Module):
    """A 3×3 convolution and the normalisation after it, as one."""

    def __init__(self, conv: nn.Conv2d, norm: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        weight, bias = _with_norm(conv, norm)
        plain = weight.to(dtype, memory_format=torch.channels_last)
        # In the order in which oneDNN reads it, so that it need not be sorted anew for every picture. Not in float32:
        # there the order fits pictures of one size alone, and for others oneDNN takes a kernel four times as slow.
        packs = dtype is not torch.float32
        packed = torch.ops.mkldnn._reorder_convolution_weight(plain, [1, 1], [1, 1], [1, 1], 1) if packs else plain
        self.dtype, self.weight = dtype, packed
        self.bias = None if bias is None else bias.to(dtype)

    def forward(self, x: Tensor, then: str = "none", how: str = "", film: Tensor | None = None) -> Tensor:
        """The convolution.

        Args:
            x: features.
            then: what oneDNN computes on the result.
            how: in which way it is approximated.
            film: scales and shifts ``(2 C,)`` of the channels before that, as :class:`models.enhancer.Film` has them.
                They become part of the weights, which have to be float32: others lie in an order of oneDNN's own.
        """
        weight, bias = self.weight, self.bias
        if film is not None:
            scale, shift = film.chunk(2)
            weight = weight * (1 + scale)[:, None, None, None]
            bias = shift if bias is None else bias * (1 + scale) + shift
        result: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x.to(self.dtype), weight, bias, [1, 1], [1, 1], [1, 1], 1, then, [], how
        )
        return result

    def with_gelu(self, x: Tensor, film: Tensor | None = None) -> Tensor:
        """The convolution, what is told if anything, and an exact GELU."""
        result: Tensor = self(x, "gelu", "none", film)
        return result


class _Upward(nn.Module):
    """An :class:`Upward`: a transposed convolution, whose 16 products a place do what 36 did on repeated places."""

    def __init__(self, layer: Upward, dtype: torch.dtype) -> None:
        super().__init__()
        weight, bias = _with_norm(layer.conv, layer.norm)
        flipped = weight.flip(2, 3).transpose(0, 1)
        shifted = [functional.pad(flipped, (x, 1 - x, y, 1 - y)) for y in (0, 1) for x in (0, 1)]
        plain = torch.stack(shifted).sum(0).to(dtype, memory_format=torch.channels_last)
        packed = torch.ops.mkldnn._reorder_convolution_transpose_weight(plain, [1, 1], [0, 0], [2, 2], [1, 1], 1)
        self.dtype, self.weight = dtype, packed
        self.bias = None if bias is None else bias.to(dtype)

    def forward(self, x: Tensor, told: Tensor | None = None) -> Tensor:
        result: Tensor = torch.ops.mkldnn._convolution_transpose_pointwise(
            x.to(self.dtype), self.weight, self.bias, [1, 1], [0, 0], [2, 2], [1, 1], 1, "gelu", [], "none"
        )
        return result


class _Fold(nn.Module):
    """Pixels folded by a convolution with ones and zeros: in ``dtype`` on the way, and up to four times as fast."""

    def __init__(self, side: int, dtype: torch.dtype) -> None:
        super().__init__()
        places = torch.eye(3 * side * side).reshape(-1, 3, side, side)
        self.side, self.places = side, places.to(dtype, memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x.to(self.places.dtype), self.places, stride=self.side)


class _Layer(nn.Module):
    """A :class:`ConvNormAct`."""

    def __init__(self, layer: ConvNormAct, dtype: torch.dtype) -> None:
        super().__init__()
        self.conv, self.film = _Convolution(layer.conv, layer.norm, dtype), layer.film

    def forward(self, x: Tensor, told: Tensor | None = None) -> Tensor:
        if self.film.linear is None or told is None or not told.any():
            return self.conv.with_gelu(x)
        if self.conv.dtype is torch.float32:  # two passes less; each picture has weights of its own
            films = self.film.linear(told)
            made = [self.conv.with_gelu(x[row : row + 1], film) for row, film in enumerate(films)]
            return made[0] if len(made) == 1 else torch.cat(made)
        return functional.gelu(self.film(self.conv(x), told))


class _Block(nn.Module):
    """A :class:`RecurrentBlock`."""

    def __init__(self, block: RecurrentBlock, dtype: torch.dtype) -> None:
        super().__init__()
        self.first = _Layer(block.first, dtype)
        self.steps = nn.ModuleList(_Convolution(block.recurrent, norm, dtype) for norm in block.norms)

    def forward(self, x: Tensor, told: Tensor | None = None) -> Tensor:
        x = self.first(x, told)
        state: Tensor | None = None
        for step in self.steps:
            state = step.with_gelu(x if state is None else x + state)  # type: ignore[operator]
        return x if state is None else x + state
