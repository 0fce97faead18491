"""The recurrent U-Net that restores faces (paper 000); its blocks are those of R2U-Net (arXiv 1802.06955)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepfake_pipeline.models.enhancer import Enhancer, Film, LightMap, pad_to_multiple


@dataclass(frozen=True)
class RecurrentUNetConfig:
    """Size and kind of the network; the defaults are those of paper 000.

    Attributes:
        widths: channels of each level, from the finest down.
        steps: how often each recurrent convolution is applied after its first time.
        fold: side of the squares of pixels that become one, with as many more channels; 1 = none.
        normalise: batch normalisation after every convolution.
        light: multiply the picture by a map of light, too, and not only add to it.
        conditions: names of the degradations that it can be told of; none = it is never told.
        repairs: of each condition the classical repair that comes before the network; none = it gets pictures as they
            are.
    """

    widths: tuple[int, ...] = (8, 16, 32, 64)
    steps: int = 2
    fold: int = 1
    normalise: bool = True
    light: bool = False
    conditions: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()


class RecurrentUNet(Enhancer):
    """U-Net whose blocks apply one convolution repeatedly with shared weights; it predicts what to add.

    Input and output float32 ``(N, 3, H, W)``, RGB in [0, 1], any H and W (padded inside to a multiple of 8).
    134,067 parameters in the default configuration, as in paper 000. The paper gives the count and a figure;
    the residual output (the network predicts the difference to its input) is our choice, usual in restoration
    since DnCNN (Zhang et al. 2017). Folded pixels (Shi et al. 2016), what it is told and the map of light are ours
    too (docs/decisions/0010), and off by default.
    """

    config_class = RecurrentUNetConfig

    def __init__(self, config: RecurrentUNetConfig | None = None) -> None:
        super().__init__()
        self.config = settings = config or RecurrentUNetConfig()
        widths, colours, told = tuple(settings.widths), 3 * settings.fold**2, len(settings.conditions)
        steps, normalise = settings.steps, settings.normalise
        self.folded = nn.PixelUnshuffle(settings.fold)
        self.down = nn.ModuleList(
            RecurrentBlock(inputs, outputs, steps, normalise, told)
            for inputs, outputs in zip((colours, *widths), widths, strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        upward = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.up = nn.ModuleList(Upward(inputs, outputs, normalise) for inputs, outputs in upward)
        self.merge = nn.ModuleList(
            RecurrentBlock(2 * outputs, outputs, steps, normalise, told) for _, outputs in upward
        )
        self.light = LightMap(widths[0], widths[-1]) if settings.light else None
        self.last = nn.Conv2d(widths[0], colours, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Tensor:
        """Restored images ``(N, 3, H, W)``; see :class:`Enhancer` for the condition."""
        told, fold = self.told(images, condition), self.config.fold
        height, width = images.shape[-2:]
        x = pad_to_multiple(images, fold * 2 ** (len(self.down) - 1))
        x = self.folded(x) if fold > 1 else x
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else self.pool(x), told)
            skips.append(x)
        bottom = skips.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([skips.pop(), up(x)], dim=1), told)
        correction: Tensor = self.last(x)
        correction = functional.pixel_shuffle(correction, fold) if fold > 1 else correction
        if self.light is not None:
            images = images * self.light(x, bottom, fold)[..., :height, :width]
        return images + correction[..., :height, :width]


@dataclass(frozen=True)
class RecurrentUNetWideConfig(RecurrentUNetConfig):
    """As :class:`RecurrentUNetConfig`, wider and folded."""

    widths: tuple[int, ...] = (32, 64, 128)
    fold: int = 2
    normalise: bool = False
    light: bool = True


class RecurrentUNetWide(RecurrentUNet):
    """The recurrent U-Net at twice the width, under a name of its own. 523,182 parameters by default."""

    config_class = RecurrentUNetWideConfig


class ConvNormAct(nn.Module):
    """3×3 convolution without bias, batch normalisation without learned affine, what is told, GELU."""

    def __init__(self, inputs: int, outputs: int, normalise: bool = True, told: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm = normalisation(outputs, normalise)
        self.film = Film(told, outputs)
        if not normalise:
            nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")

    def forward(self, x: Tensor, told: Tensor | None = None) -> Tensor:
        x = self.norm(self.conv(x))
        return functional.gelu(x if told is None else self.film(x, told))


class Upward(ConvNormAct):
    """The same after each place was repeated to twice the height and width."""

    def forward(self, x: Tensor, told: Tensor | None = None) -> Tensor:
        return super().forward(functional.interpolate(x, scale_factor=2.0, mode="nearest"), told)


class RecurrentBlock(nn.Module):
    """A convolution, then one convolution applied ``steps + 1`` times to its own output plus its first input.

    The statistics of each application differ, so each has its own normalisation (it has no parameters).
    """

    def __init__(self, inputs: int, outputs: int, steps: int, normalise: bool = True, told: int = 0) -> None:
        super().__init__()
        self.first = ConvNormAct(inputs, outputs, normalise, told)
        self.recurrent = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(normalisation(outputs, normalise) for _ in range(steps + 1))
        if not normalise:  # half of what keeps the variance, since the block's input is added each time
            nn.init.kaiming_normal_(self.recurrent.weight, nonlinearity="relu")
            self.recurrent.weight.data.mul_(0.5)

    def forward(self, x: Tensor, told: Tensor | None = None) -> Tensor:
        x = self.first(x, told)
        state = torch.zeros_like(x)
        for step, norm in enumerate(self.norms):
            state = functional.gelu(norm(self.recurrent(x if step == 0 else x + state)))
        return x + state


def normalisation(width: int, wanted: bool) -> nn.Module:
    """Batch normalisation without parameters, or nothing."""
    return nn.BatchNorm2d(width, affine=False) if wanted else nn.Identity()
