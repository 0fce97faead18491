"""A small network that tells where a face lies in shadow, and how deep: the shadow can then be taken back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class LightEstimatorConfig:
    """Size of the network.

    Attributes:
        side: in px, to which pictures are shrunk: a shadow is told by the whole face, not by its pores.
        widths: channels of each convolution; each halves the resolution.
        hidden: units of the layer before the last.
    """

    side: int = 48
    widths: tuple[int, ...] = (16, 24, 32, 48)
    hidden: int = 64


class Shade(NamedTuple):
    """Straight, soft-edged shadows on ``N`` pictures; lengths are shares of the shorter side.

    Attributes:
        depth: float32 ``(N,)``, natural logarithm of the factor that pixel values lost in the full shadow, from 0.
        direction: float32 ``(N, 2)``, unit vector to where the shadow lies: right and down.
        offset: float32 ``(N,)``, distance from the centre to the middle of the edge, towards the shadow.
        softness: float32 ``(N,)``, width of the edge.
    """

    depth: Tensor
    direction: Tensor
    offset: Tensor
    softness: Tensor

    def missing(self, height: int, width: int, rows: slice = slice(None)) -> Tensor:
        """Natural logarithm of the light missing at each pixel, float32 ``(N, H, W)``, from 0 to ``depth``.

        Args:
            height: of the pictures, in px.
            width: of the pictures, in px.
            rows: of the pictures; only these are computed.
        """
        device = self.depth.device
        short = min(height, width)
        x = (torch.arange(width, device=device) - (width - 1) / 2) / short
        y = (torch.arange(height, device=device)[rows] - (height - 1) / 2) / short
        right, down = self.direction.unbind(1)
        along = right[:, None, None] * x + down[:, None, None] * y[:, None]
        ramp = ((along - self.offset[:, None, None]) / self.softness[:, None, None] + 0.5).clamp(0, 1)
        mask = ramp * ramp * (3 - 2 * ramp)
        return -torch.log1p(mask * torch.expm1(-self.depth)[:, None, None])


class LightEstimator(nn.Module):
    """Convolutions over a thumbnail's log light and places, then the five numbers of one shadow.

    The shadow is that of ``degrade.shadow`` (after Zhang et al. 2020, "Portrait shadow manipulation"): a face without
    one is a shadow of depth 0. A filter can fit the same shape (``restore.light.ShadowEdge``), but does not know how
    faces are lit by themselves. 53,189 parameters.
    """

    config_class = LightEstimatorConfig

    def __init__(self, config: LightEstimatorConfig | None = None) -> None:
        super().__init__()
        self.config = config or LightEstimatorConfig()
        widths, side = tuple(self.config.widths), self.config.side
        layers: list[nn.Module] = []
        for inputs, outputs in zip((5, *widths), widths, strict=False):
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
            side = -(-side // 2)
        self.features = nn.Sequential(*layers)
        self.hidden = nn.Linear(widths[-1] * side**2, self.config.hidden)
        self.last = nn.Linear(self.config.hidden, 5)

    def forward(self, images: Tensor) -> Shade:
        """Shadows on ``(N, 3, H, W)``, RGB in [0, 1], of any H and W."""
        side = self.config.side
        small = (
            functional.interpolate(images, (side, side), mode="area") if images.shape[-2:] != (side, side) else images
        )
        light = torch.log(small * 255 + 1) / 3 - 1
        steps = torch.linspace(-1, 1, side, device=images.device, dtype=light.dtype)
        places = torch.stack(torch.meshgrid(steps, steps, indexing="ij")).expand(len(images), -1, -1, -1)
        features = self.features(torch.cat([light, places], dim=1)).flatten(1)
        depth, right, down, offset, softness = self.last(functional.relu(self.hidden(features))).float().unbind(1)
        return Shade(
            depth=functional.softplus(depth),
            direction=functional.normalize(torch.stack([right, down], dim=1), eps=1e-6),
            offset=0.3 * torch.tanh(offset),
            softness=0.03 + 0.5 * torch.sigmoid(softness),
        )
