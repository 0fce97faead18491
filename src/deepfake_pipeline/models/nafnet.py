"""NAFNet-style restoration (Chen et al. 2022, "Simple baselines for image restoration", arXiv 2204.04676)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepfake_pipeline.models.enhancer import Enhancer, Film, LightMap, pad_to_multiple


@dataclass(frozen=True)
class NafNetConfig:
    """Size of the network.

    Attributes:
        width: channels of the first level; each further level has twice as many.
        encoder: blocks of each level on the way down.
        middle: blocks at the bottom.
        decoder: blocks of each level on the way up, from the bottom.
        fold: side of the squares of pixels that become one, with as many channels more; the network computes there.
        conditions: names of the degradations that it can be told of; none = it is never told.
        repairs: of each condition the classical repair that comes before the network; none = it gets pictures as they
            are.
    """

    width: int = 24
    encoder: tuple[int, ...] = (1, 1)
    middle: int = 4
    decoder: tuple[int, ...] = (1, 1)
    fold: int = 2
    conditions: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()


class NafNet(Enhancer):
    """U-Net of blocks without activation functions: where others bend, it multiplies two halves of its channels.

    Input and output float32 ``(N, 3, H, W)``, RGB in [0, 1], any H and W. 367,358 parameters in the default
    configuration. The blocks are the paper's; that the network works on folded pixels, is
    told of the degradation and multiplies the picture by a map of light is ours.
    """

    config_class = NafNetConfig

    def __init__(self, config: NafNetConfig | None = None) -> None:
        super().__init__()
        self.config = settings = config or NafNetConfig()
        width, colours = settings.width, 3 * settings.fold**2
        told = len(settings.conditions)
        self.first = nn.Conv2d(colours, width, 3, padding=1)
        widths = [width * 2**level for level in range(len(settings.encoder) + 1)]
        self.encoder = nn.ModuleList(
            Blocks(size, count, told) for size, count in zip(widths[:-1], settings.encoder, strict=True)
        )
        self.down = nn.ModuleList(nn.Conv2d(size, 2 * size, 2, stride=2) for size in widths[:-1])
        self.middle = Blocks(widths[-1], settings.middle, told)
        self.up = nn.ModuleList(nn.Conv2d(2 * size, 4 * size, 1, bias=False) for size in widths[-2::-1])
        self.decoder = nn.ModuleList(
            Blocks(size, count, told) for size, count in zip(widths[-2::-1], settings.decoder, strict=True)
        )
        self.light = LightMap(width, widths[-1])
        self.last = nn.Conv2d(width, colours, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Tensor:
        """Restored images ``(N, 3, H, W)``; see :class:`Enhancer` for the condition."""
        told, fold = self.told(images, condition), self.config.fold
        height, width = images.shape[-2:]
        padded = pad_to_multiple(images, fold * 2 ** len(self.down))
        x = self.first(functional.pixel_unshuffle(padded, fold))
        skips: list[Tensor] = []
        for blocks, down in zip(self.encoder, self.down, strict=True):
            x = blocks(x, told)
            skips.append(x)
            x = down(x)
        bottom = x = self.middle(x, told)
        for up, blocks in zip(self.up, self.decoder, strict=True):
            x = blocks(functional.pixel_shuffle(up(x), 2) + skips.pop(), told)
        correction = functional.pixel_shuffle(self.last(x), fold)[..., :height, :width]
        return images * self.light(x, bottom, fold)[..., :height, :width] + correction


class Blocks(nn.Module):
    """Blocks of one level, after the level was told of the degradation."""

    def __init__(self, width: int, count: int, told: int) -> None:
        super().__init__()
        self.film = Film(told, width)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(count)))

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        result: Tensor = self.blocks(self.film(x, told))
        return result


class Block(nn.Module):
    """Normalise, widen, look at 3×3, gate, weigh channels by their means; normalise, widen, gate; each added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = LayerNorm(width), LayerNorm(width)
        self.widen = nn.Conv2d(width, 2 * width, 1)
        self.look = nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2 * width)
        self.weigh = nn.Conv2d(width, width, 1)
        self.narrow = nn.Conv2d(width, width, 1)
        self.mix = nn.Conv2d(width, 2 * width, 1)
        self.join = nn.Conv2d(width, width, 1)
        self.scale1 = nn.Parameter(torch.zeros(1, width, 1, 1))
        self.scale2 = nn.Parameter(torch.zeros(1, width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = gate(self.look(self.widen(self.norm1(x))))
        y = self.narrow(y * self.weigh(y.mean((2, 3), keepdim=True)))
        x = x + y * self.scale1
        return x + self.join(gate(self.mix(self.norm2(x)))) * self.scale2


class LayerNorm(nn.Module):
    """Mean 0 and variance 1 over the channels of each pixel, then a learned scale and shift."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        # Channels last in memory, the channels of a pixel lie side by side, as layer_norm wants them.
        pixels = functional.layer_norm(x.permute(0, 2, 3, 1), (x.shape[1],), self.weight, self.bias, 1e-6)
        return pixels.permute(0, 3, 1, 2)


def gate(x: Tensor) -> Tensor:
    """Product of the two halves of the channels."""
    first, second = x.chunk(2, dim=1)
    return first * second
