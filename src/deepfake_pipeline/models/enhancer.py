"""What enhancers share: what they are told of the degradation, and how their output meets the picture."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Enhancer(nn.Module):
    """A network that restores pictures; ``config.conditions`` names the degradations that it can be told of.

    Called with float32 ``(N, 3, H, W)``, RGB in [0, 1], any H and W, and with ``condition``, float32
    ``(N, len(conditions))``: for the degradation that a face has its severity over 5, else 0; all zeros, or None,
    when it is not known. A picture of which it is told went through the classical repair that ``config.repairs`` names
    for that degradation, if it names any: the network mends what that leaves. The result is of the input's shape and
    not clamped, so that gradients reach every pixel.
    """

    config: Any

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of the degradations that it can be told of; empty = none."""
        return tuple(self.config.conditions)

    def told(self, images: Tensor, condition: Tensor | None) -> Tensor:
        """The condition ``(N, len(conditions))``, zeros where there is none.

        Raises:
            ValueError: it has another shape.
        """
        shape = (images.shape[0], len(self.conditions))
        if condition is None:
            return images.new_zeros(shape)
        if tuple(condition.shape) != shape:
            raise ValueError(f"the condition is {tuple(condition.shape)}, not {shape}: a number for each of conditions")
        return condition


class Film(nn.Module):
    """Scale and shift of channels by what is told (FiLM: Perez et al. 2018); nothing told, nothing changed.

    Args:
        told: numbers that are told; 0 = no parameters, and the features pass as they are.
        width: channels.
    """

    def __init__(self, told: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(told, 2 * width, bias=False) if told else None
        if self.linear is not None:
            nn.init.zeros_(self.linear.weight)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        if self.linear is None:
            return x
        scale, shift = self.linear(told)[:, :, None, None].chunk(2, dim=1)
        return x * (1 + scale) + shift


class LightMap(nn.Module):
    """What each pixel is multiplied by: e to the power of a coarse map plus a fine one. It begins at 1.

    A shadow takes a factor of the light, the same for all three colours (``degrade.shadow``); a network that only
    adds would have to paint every texture in the shadow anew.

    Args:
        fine: channels of the last features.
        coarse: channels of the features at the bottom.
    """

    def __init__(self, fine: int, coarse: int) -> None:
        super().__init__()
        self.fine, self.coarse = nn.Conv2d(fine, 1, 1), nn.Conv2d(coarse, 1, 1)
        for layer in (self.fine, self.coarse):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, fine: Tensor, coarse: Tensor, fold: int) -> Tensor:
        """Factors ``(N, 1, H, W)`` from features at 1/fold of the picture's size and from the bottom's."""
        logarithm = self.fine(fine).float() + _scaled(self.coarse(coarse).float(), fine.shape[-2], fine.shape[-1])
        return torch.exp(_scaled(logarithm, fine.shape[-2] * fold, fine.shape[-1] * fold))


def _scaled(maps: Tensor, height: int, width: int) -> Tensor:
    return functional.interpolate(maps, (height, width), mode="bilinear", align_corners=False)


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Repeat the right and lower border until both sides are multiples of ``multiple``."""
    height, width = images.shape[-2:]
    if not torch.compiler.is_compiling() and height % multiple == 0 and width % multiple == 0:
        return images  # padding by nothing would copy them; an exported graph pads sides of any length
    return functional.pad(images, (0, -width % multiple, 0, -height % multiple), mode="replicate")
