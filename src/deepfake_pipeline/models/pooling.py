"""Maximum pooling that keeps pace with the convolutions around it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class DisjointMaxPool(nn.Module):
    """What ``nn.MaxPool2d(side)`` gives, bit for bit: maxima ``(N, C, H // side, W // side)`` of squares.

    On a CPU ``max_pool2d`` also notes where each maximum was, one value at a time, and takes as long as a convolution
    where channels are few; here whole rows are compared. For inference: a gradient is shared between equal values.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        side = self.side
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


def disjoint(module: nn.Module) -> DisjointMaxPool | None:
    """The same pooling where a module is a maximum pooling of squares that neither overlap nor leave the picture."""
    if not isinstance(module, nn.MaxPool2d) or not isinstance(module.kernel_size, int):
        return None
    plain = (module.stride, module.padding, module.dilation, module.ceil_mode) == (module.kernel_size, 0, 1, False)
    return DisjointMaxPool(module.kernel_size) if plain else None
