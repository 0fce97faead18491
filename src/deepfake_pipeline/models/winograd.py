"""3×3 convolutions of float32 on a CPU with a fifth of the multiplications: minimal filtering after Winograd.

Direct convolution already runs near the peak of the CPU's float32 units; only fewer multiplications are faster. Tiles
of 7×7 results are computed from 9×9 inputs by 81 products a pair of channels, where 441 are usual (Lavin and Gray, CVPR
2016, arXiv 1509.09308). The products are matrix products of all tiles and channels, and so are the transforms before
and after them. Steps of two would take 225 products of 15×15 inputs, which does not pay.

The larger the tile, the more rounding weighs; how much depends on the points at which Cook and Toom's algorithm
evaluates its polynomials. ``POINTS`` had the smallest error among sets of simple fractions that were tried; that points
belong in groups {-c, c} is known (Alam, Anderson, Barabasz and Gregg 2022, arXiv 2201.10369).
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache, cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional

TILE = 7
"""Side of a tile of results: maps of 28, 14 and 7 px, as of faces of 224 px, divide by it."""

POINTS = tuple(sign * Fraction(*point) for point in ((1, 4), (2, 3), (1, 1), (5, 2)) for sign in (1, -1))
"""Where polynomials are evaluated, besides infinity."""

_READ = TILE + 2  # side of what a tile reads
_TILES = 128  # at a time: with more, what they read leaves the cache
_LEAST_TILES = 16  # with fewer, reading the transformed weights takes longer than all multiplications
_LEAST_CHANNELS = 32  # with fewer, the transforms outweigh the products


class Winograd(nn.Module):
    """A convolution that takes the short way where there is one, and the usual one for maps that tiles do not fit.

    The results differ by rounding: root mean square below 1e-5 of theirs.

    Args:
        conv: one that :func:`has_short_way`; kept for maps of other sizes.
    """

    results: Tensor
    inputs: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        results, _, inputs = transforms()
        self.register_buffer("results", results.float(), persistent=False)
        self.register_buffer("inputs", inputs.float(), persistent=False)

    @cached_property
    def weight(self) -> Tensor:
        """The weights transformed, ``(81, C, C')``: nine times as many, and made for the first maps that fit."""
        _, taps, _ = transforms()
        transformed = torch.einsum("ai,bj,ocij->abco", taps, taps, self.conv.weight.detach().double())
        return transformed.flatten(0, 1).float().contiguous()

    def forward(self, x: Tensor) -> Tensor:
        """The convolution of ``(N, C, H, W)``."""
        pictures, _, height, width = x.shape
        tiles = height * width // TILE**2
        if height % TILE or width % TILE or pictures * tiles < _LEAST_TILES:
            usual: Tensor = self.conv(x)
            return usual
        padded = functional.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).contiguous()
        found = padded.new_empty(pictures, height // TILE, TILE, width // TILE, TILE, self.conv.out_channels)
        many = max(1, _TILES // tiles)
        for at in range(0, pictures, many):
            self._fill(found[at : at + many], padded[at : at + many])
        return found.view(pictures, height, width, -1).permute(0, 3, 1, 2)

    def _fill(self, found: Tensor, padded: Tensor) -> None:
        """Write results ``(N, H / 7, 7, W / 7, 7, C')`` of some padded pictures ``(N, H + 2, W + 2, C)``."""
        pictures, down, _, across, _, _ = found.shape
        picture, row, column, channel = padded.stride()
        channels = padded.shape[-1]
        read = padded.as_strided(
            (_READ, _READ, pictures, down, across, channels),
            (row, column, picture, TILE * row, TILE * column, channel),
            padded.storage_offset(),
        )
        products = torch.bmm(_on_both_sides(self.inputs, read.flatten(1)).view(_READ**2, -1, channels), self.weight)
        sums = _on_both_sides(self.results, products.view(_READ, -1)).view(TILE, TILE, pictures, down, across, -1)
        sums = sums.permute(2, 3, 0, 4, 1, 5)
        if self.conv.bias is None:
            found.copy_(sums)
        else:
            torch.add(sums, self.conv.bias, out=found)


def has_short_way(conv: nn.Conv2d) -> bool:
    """Whether a convolution is one that :class:`Winograd` computes, and of enough channels to gain by it."""
    return (
        (conv.kernel_size, conv.stride, conv.padding) == ((3, 3), (1, 1), (1, 1))
        and (conv.dilation, conv.groups, conv.padding_mode) == ((1, 1), 1, "zeros")
        and min(conv.in_channels, conv.out_channels) >= _LEAST_CHANNELS
    )


@cache
def transforms(points: tuple[Fraction, ...] = POINTS) -> tuple[Tensor, Tensor, Tensor]:
    """Matrices float64 A ``(7, 9)``, G ``(9, 3)``, B ``(9, 9)``: three taps g on inputs d give ``A ((G g) · (B d))``.

    By Cook and Toom's algorithm, transposed. The rows of B and the columns of A are scaled to at most 1; G, which is
    applied once and in float64, makes up for it.

    Args:
        points: eight different ones.
    """
    results, taps, inputs = [], [], []
    for place, point in enumerate([*points, None]):  # the last one is infinity
        others = [other for number, other in enumerate(points) if number != place]
        weight = Fraction(1)
        for other in others:
            weight *= 1 if point is None else point - other
        row, column = _with_roots(others), _powers(point, TILE)
        high, wide = max(map(abs, row)), max(map(abs, column))
        inputs.append([value / high for value in row + [Fraction(0)] * (_READ - len(row))])
        results.append([value / wide for value in column])
        taps.append([value / weight * high * wide for value in _powers(point, 3)])
    return _matrix(results).T, _matrix(taps), _matrix(inputs)


def _powers(point: Fraction | None, count: int) -> list[Fraction]:
    """The first powers of a point; of infinity, the last power alone counts."""
    return [Fraction(power == count - 1) if point is None else point**power for power in range(count)]


def _with_roots(roots: list[Fraction]) -> list[Fraction]:
    """Coefficients of the polynomial with these roots, lowest first."""
    made = [Fraction(1)]
    for root in roots:
        made = [low - root * high for low, high in zip([Fraction(0), *made], [*made, Fraction(0)], strict=True)]
    return made


def _matrix(rows: list[list[Fraction]]) -> Tensor:
    return torch.tensor([[float(value) for value in row] for row in rows], dtype=torch.float64)


def _on_both_sides(matrix: Tensor, values: Tensor) -> Tensor:
    """``matrix @ x @ matrix.T`` for each x, which lies in the rows and the outermost part of the columns of values."""
    once = matrix @ values
    return torch.matmul(matrix, once.view(len(matrix), matrix.shape[1], -1))
