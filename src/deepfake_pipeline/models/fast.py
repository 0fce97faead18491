"""A trained network made ready to judge many pictures: fewer layers, less to do, bfloat16 where it does no harm."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from deepfake_pipeline.models.detector import DetectorOutput
from deepfake_pipeline.models.ensemble import Ensemble
from deepfake_pipeline.models.pooling import DisjointMaxPool, disjoint
from deepfake_pipeline.models.residual_energy import Form, ResidualEnergy
from deepfake_pipeline.models.winograd import Winograd, has_short_way

_NARROW = 16  # channels: a filter that reads fewer gains nothing by bfloat16


def prepared(network: nn.Module, *, mixed: bool = False, winograd: bool = False) -> nn.Module:
    """A copy for inference: batch normalisation folded into the convolution before it, equal measurements made once.

    Where a convolution, what rectifies and normalises each value, and a pooling follow each other, the pooling comes
    second: the rest then has a quarter of the values or fewer, and the result is the same to the bit.

    Args:
        network: stays as it is.
        mixed: make the copy ready for ``torch.autocast`` in bfloat16: layers for which its 8 bits are too few keep
            to float32. These are the convolutions that read fewer than 16 channels (pixels and their residuals have
            8 bits of their own, all of which a forgery may hang on) and the last layer, whose sum is the logit.
        winograd: compute 3×3 convolutions by :mod:`models.winograd`, which is quicker in float32 on a CPU.
    """
    ready = copy.deepcopy(network).eval()
    for module in list(ready.modules()):
        if isinstance(module, nn.Sequential):
            _fold(module)
            _pool_early(module)
    for parent, name, child in list(_children(ready)):
        if pool := disjoint(child):
            setattr(parent, name, pool)
    if mixed:
        for parent, name, child in list(_children(ready)):
            if _is_delicate(child):
                setattr(parent, name, InFloat32(child))
    if winograd:
        for parent, name, child in list(_children(ready)):
            if isinstance(child, nn.Conv2d) and has_short_way(child):
                setattr(parent, name, Winograd(child))
    return _MeasuringOnce(ready) if isinstance(ready, Ensemble) else ready


class InFloat32(nn.Module):
    """A layer that computes in float32 inside of autocast, whatever it is given."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            out: Tensor = self.layer(x.float())
        return out


class _MeasuringOnce(Ensemble):
    """An ensemble whose members of one size share what they see and the energies, which no training changes."""

    def __init__(self, ensemble: Ensemble) -> None:
        nn.Module.__init__(self)
        self.config, self.members = ensemble.config, ensemble.members
        self.register_buffer("temperatures", ensemble.temperatures, persistent=False)

    def judged_by_each(self, images: Tensor) -> list[DetectorOutput]:
        seen = {int(member.image_size): self.seen_by(member, images) for member in self.members}  # type: ignore[arg-type]
        energies: dict[tuple[int, Form], Tensor] = {}
        for size, pictures in seen.items():
            measuring = [one for one in self.members if isinstance(one, ResidualEnergy) and one.image_size == size]
            forms = list(dict.fromkeys(member.form for member in measuring))
            if forms:
                found = measuring[0].energies_of(pictures, forms)
                energies |= {(size, form): one for form, one in zip(forms, found, strict=True)}
        outputs = []
        for member in self.members:
            pictures = seen[int(member.image_size)]  # type: ignore[arg-type]
            if isinstance(member, ResidualEnergy):
                outputs.append(member(pictures, energies[member.image_size, member.form]))
            else:
                outputs.append(member(pictures))
        return outputs


class _Pooled(nn.Module):
    """Convolution, ReLU, normalisation and pooling, of which the pooling comes second.

    A channel whose scale is negative is largest where its convolution is smallest: it is pooled with its sign changed.
    """

    signs: Tensor

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d | None, pool: DisjointMaxPool) -> None:
        super().__init__()
        self.conv, self.norm, self.pool = conv, norm, pool
        falls = torch.zeros(conv.out_channels, dtype=torch.bool) if norm is None else norm.weight.detach() < 0
        self.turned = bool(falls.any())
        self.register_buffer("signs", torch.where(falls, -1.0, 1.0)[:, None, None], persistent=False)
        for values in (conv.weight, conv.bias):
            if self.turned and values is not None:
                values.data[falls] *= -1

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.conv(x))
        x = functional.relu(x * self.signs if self.turned else x)
        out: Tensor = x if self.norm is None else self.norm(x)
        return out


def _pool_early(layers: nn.Sequential) -> None:
    """Let the pooling of convolution, ReLU, normalisation (which may be missing) and pooling come second."""
    for place in range(len(layers) - 2):
        conv, act, third = list(layers)[place : place + 3]
        norm = third if isinstance(third, nn.BatchNorm2d) and place + 3 < len(layers) else None
        last = place + (2 if norm is None else 3)
        pool = disjoint(layers[last])
        if isinstance(conv, nn.Conv2d) and isinstance(act, nn.ReLU) and pool:
            layers[place] = _Pooled(conv, norm, pool)
            for passed in range(place + 1, last + 1):
                layers[passed] = nn.Identity()


def _fold(layers: nn.Sequential) -> None:
    """Replace each convolution that a batch normalisation follows; what is normalised passes through."""
    for place in range(len(layers) - 1):
        convolution, norm = layers[place], layers[place + 1]
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            layers[place] = fuse_conv_bn_eval(convolution, norm)
            layers[place + 1] = nn.Identity()


def _children(network: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    for module in network.modules():
        for name, child in module.named_children():
            yield module, name, child


def _is_delicate(layer: Any) -> bool:
    if isinstance(layer, nn.Conv2d):
        return layer.in_channels // layer.groups < _NARROW
    return isinstance(layer, nn.Linear) and layer.out_features == 1
