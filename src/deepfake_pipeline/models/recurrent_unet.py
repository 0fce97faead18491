"""The recurrent U-Net that restores faces (paper 000); its blocks are those of R2U-Net (arXiv 1802.06955)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class RecurrentUNetConfig:
    """Size of the network.

    Attributes:
        widths: channels of each level, from full resolution down.
        steps: how often each recurrent convolution is applied after its first time.
    """

    widths: tuple[int, ...] = (8, 16, 32, 64)
    steps: int = 2


class RecurrentUNet(nn.Module):
    """U-Net whose blocks apply one convolution repeatedly with shared weights; it predicts what to add.

    Input and output float32 ``(N, 3, H, W)``, RGB in [0, 1], any H and W (padded inside to a multiple of 8).
    134,067 parameters in the default configuration, as in paper 000. The paper gives the count and a figure;
    the residual output (the network predicts the difference to its input) is our choice, usual in restoration
    since DnCNN (Zhang et al. 2017).
    """

    config_class = RecurrentUNetConfig

    def __init__(self, config: RecurrentUNetConfig | None = None) -> None:
        super().__init__()
        self.config = config or RecurrentUNetConfig()
        widths, steps = tuple(self.config.widths), self.config.steps
        self.down = nn.ModuleList(
            RecurrentBlock(inputs, outputs, steps) for inputs, outputs in zip((3, *widths), widths, strict=False)
        )
        upward = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.up = nn.ModuleList(ConvNormAct(inputs, outputs) for inputs, outputs in upward)
        self.merge = nn.ModuleList(RecurrentBlock(2 * outputs, outputs, steps) for _, outputs in upward)
        self.last = nn.Conv2d(widths[0], 3, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """Restored images ``(N, 3, H, W)``; not clamped, so that gradients reach every pixel."""
        height, width = images.shape[-2:]
        x = pad_to_multiple(images, 2 ** (len(self.down) - 1))
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else functional.max_pool2d(x, 2))
            skips.append(x)
        skips.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            x = up(functional.interpolate(x, scale_factor=2.0, mode="nearest"))
            x = merge(torch.cat([skips.pop(), x], dim=1))
        correction: Tensor = self.last(x)
        return images + correction[..., :height, :width]


class ConvNormAct(nn.Module):
    """3×3 convolution without bias, batch normalisation without learned affine, GELU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.gelu(self.norm(self.conv(x)))


class RecurrentBlock(nn.Module):
    """A convolution, then one convolution applied ``steps + 1`` times to its own output plus its first input.

    The statistics of each application differ, so each has its own normalisation (it has no parameters).
    """

    def __init__(self, inputs: int, outputs: int, steps: int) -> None:
        super().__init__()
        self.first = ConvNormAct(inputs, outputs)
        self.recurrent = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs, affine=False) for _ in range(steps + 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        state = torch.zeros_like(x)
        for step, norm in enumerate(self.norms):
            state = functional.gelu(norm(self.recurrent(x if step == 0 else x + state)))
        return x + state


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Repeat the right and lower border until both sides are multiples of ``multiple``."""
    height, width = images.shape[-2:]
    return functional.pad(images, (0, -width % multiple, 0, -height % multiple), mode="replicate")
