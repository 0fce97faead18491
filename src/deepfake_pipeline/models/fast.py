"""A trained network made ready to judge many pictures: fewer layers, and bfloat16 where it does no harm."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from deepfake_pipeline.models.detector import DetectorOutput
from deepfake_pipeline.models.ensemble import Ensemble
from deepfake_pipeline.models.residual_energy import Form, ResidualEnergy

_NARROW = 16  # channels: a filter that reads fewer gains nothing by bfloat16


def prepared(network: nn.Module, *, mixed: bool = False) -> nn.Module:
    """A copy for inference: batch normalisation folded into the convolution before it, equal measurements made once.

    Args:
        network: stays as it is.
        mixed: make the copy ready for ``torch.autocast`` in bfloat16: layers for which its 8 bits are too few keep
            to float32. These are the convolutions that read fewer than 16 channels (pixels and their residuals have
            8 bits of their own, all of which a forgery may hang on) and the last layer, whose sum is the logit.
    """
    ready = copy.deepcopy(network).eval()
    for module in list(ready.modules()):
        if isinstance(module, nn.Sequential):
            _fold(module)
    if mixed:
        for parent, name, child in list(_children(ready)):
            if _is_delicate(child):
                setattr(parent, name, InFloat32(child))
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
