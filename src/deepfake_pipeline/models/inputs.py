"""The one place where pictures become what networks read, and back."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def to_network(images: Tensor, size: int | None = None) -> Tensor:
    """Turn uint8 ``(N, H, W, 3)`` RGB into float32 ``(N, 3, size, size)`` in [0, 1], channels-last in memory.

    ``size`` is the side in px that the network wants; None leaves height and width as they are.
    """
    floats = images.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last).div_(255.0)
    if size is None or floats.shape[-2:] == (size, size):
        return floats
    shrinks = min(floats.shape[-2:]) > size
    return functional.interpolate(floats, (size, size), mode="bilinear", antialias=shrinks)


def centred(images: Tensor) -> Tensor:
    """Bring [0, 1] to [-1, 1]: bfloat16 keeps the more of a pixel, the closer it lies to 0."""
    return images * 2 - 1


def to_pictures(images: Tensor) -> Tensor:
    """Turn float ``(N, 3, H, W)`` in [0, 1] into uint8 ``(N, H, W, 3)``, rounded and clipped."""
    return images.float().mul(255.0).round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
