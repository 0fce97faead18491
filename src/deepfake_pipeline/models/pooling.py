"""Maximum pooling that keeps pace with the convolutions around it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def pooled(x: Tensor, side: int) -> Tensor:
    """What ``max_pool2d`` gives, bit for bit: maxima ``(N, C, H // side, W // side)`` of squares of ``(N, C, H, W)``.

    On a CPU ``max_pool2d`` also notes where each maximum was, one value at a time, and takes as long as a convolution
    where channels are few; here whole rows are compared. For inference: a gradient is shared between equal values.
    """
    if x.device.type != "cpu":
        return functional.max_pool2d(x, side)
    height, width = (length // side * side for length in x.shape[-2:])
    rows = x[:, :, 0:height:side]
    for row in range(1, side):
        rows = torch.maximum(rows, x[:, :, row:height:side])
    found = rows[..., 0:width:side]
    for column in range(1, side):
        found = torch.maximum(found, rows[..., column:width:side])
    return found


class Pool(nn.Module):
    """Maximum pooling as :func:`pooled`, in place of an ``nn.MaxPool2d``."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        return pooled(x, self.side)
