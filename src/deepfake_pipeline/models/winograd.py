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

from collections.abc import Iterator
from fractions import Fraction
from functools import cache, cached_property
from typing import Any, NamedTuple

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


class Conv3x3(nn.Conv2d):
    """A convolution that is trained the short way where there is one: on a CPU, in float32, by maps that tiles fit.

    Out of training it is the usual one; what judges many pictures is made ready with :class:`Winograd`.
    """

    def forward(self, input: Tensor) -> Tensor:
        """The convolution of ``(N, C, H, W)``."""
        plain = input.device.type == "cpu" and input.dtype is torch.float32 and not torch.is_autocast_enabled("cpu")
        if not (self.training and plain and has_short_way(self) and _tiles_fit(input)):
            return super().forward(input)
        found: Tensor = _Trained.apply(input, self.weight)  # type: ignore[no-untyped-call]
        return found if self.bias is None else found + self.bias[:, None, None]


class Winograd(nn.Module):
    """A trained convolution by the short way, and by the usual one for maps that tiles do not fit.

    The results differ by rounding: root mean square below 1e-5 of theirs.

    Args:
        conv: one that :func:`has_short_way`; kept for maps of other sizes.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    @cached_property
    def weight(self) -> Tensor:
        """The weights transformed, ``(81, C, C')``: nine times as many, and made for the first maps that fit."""
        return _transformed(self.conv.weight.detach())

    def forward(self, x: Tensor) -> Tensor:
        """The convolution of ``(N, C, H, W)``."""
        if not _tiles_fit(x):
            usual: Tensor = self.conv(x)
            return usual
        padded, found = _padded(x), _room(x, self.conv.out_channels)
        for part in _parts(x):
            sums = _results(torch.bmm(_inputs(padded[part]), self.weight), found[part])
            if self.conv.bias is None:
                found[part] = sums
            else:
                torch.add(sums, self.conv.bias, out=found[part])
        return _as_map(found)


class _Trained(torch.autograd.Function):
    """Convolution and its gradients, each by the same products: the transforms are linear, so they turn round."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        padded, found, transformed = _padded(x), _room(x, len(weight)), _transformed(weight)
        kept = []
        for part in _parts(x):
            kept.append(_inputs(padded[part]))
            found[part] = _results(torch.bmm(kept[-1], transformed), found[part])
        ctx.save_for_backward(transformed, *kept)
        ctx.shape = x.shape
        return _as_map(found)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor]:
        transformed, *kept = ctx.saved_tensors
        pictures, channels, height, width = ctx.shape
        of_results, of_taps, of_inputs = (matrix.T.contiguous() for matrix in _matrices())
        by_tiles = gradients[0].permute(0, 2, 3, 1).reshape(pictures, height // TILE, TILE, width // TILE, TILE, -1)
        of_weight = torch.zeros_like(transformed)
        below = by_tiles.new_zeros(pictures, height + 2, width + 2, channels) if ctx.needs_input_grad[0] else None
        for part, inputs in zip(_parts(by_tiles), kept, strict=True):
            outer = by_tiles[part].permute(2, 4, 0, 1, 3, 5).reshape(TILE, -1)
            products = _on_both_sides(of_results, outer).view(_READ**2, -1, by_tiles.shape[-1])
            of_weight.baddbmm_(inputs.transpose(1, 2), products)
            if below is not None:
                read = _on_both_sides(of_inputs, torch.bmm(products, transformed.transpose(1, 2)).view(_READ, -1))
                _add_tiles(below[part], read)
        taps = _on_both_sides(of_taps, of_weight.view(_READ, -1)).view(3, 3, channels, -1).permute(3, 2, 0, 1)
        return None if below is None else below[:, 1:-1, 1:-1].permute(0, 3, 1, 2), taps


def has_short_way(conv: nn.Conv2d) -> bool:
    """Whether a convolution is one that :class:`Winograd` computes, and of enough channels to gain by it."""
    return (
        (conv.kernel_size, conv.stride, conv.padding) == ((3, 3), (1, 1), (1, 1))
        and (conv.dilation, conv.groups, conv.padding_mode) == ((1, 1), 1, "zeros")
        and min(conv.in_channels, conv.out_channels) >= _LEAST_CHANNELS
    )


class _Matrices(NamedTuple):
    """A ``(7, 9)``, G ``(9, 3)`` and B ``(9, 9)``, see :func:`transforms`."""

    results: Tensor
    taps: Tensor
    inputs: Tensor


def transforms(points: tuple[Fraction, ...] = POINTS) -> _Matrices:
    """Matrices of float64: seven results of three taps g on nine inputs d are ``A ((G g) · (B d))``.

    By Cook and Toom's algorithm, transposed. The rows of B and the columns of A are scaled to at most 1; G, which is
    applied to weights alone, makes up for it.

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
    return _Matrices(_matrix(results).T, _matrix(taps), _matrix(inputs))


@cache
def _matrices() -> _Matrices:
    with torch.inference_mode(False):  # training needs them, too
        return _Matrices(*(matrix.float().contiguous() for matrix in transforms()))


def _tiles_fit(x: Tensor) -> bool:
    """Whether maps ``(N, C, H, W)`` divide into tiles, and into enough of them."""
    pictures, _, height, width = x.shape
    return not (height % TILE or width % TILE) and pictures * height * width >= _LEAST_TILES * TILE**2


def _transformed(weight: Tensor) -> Tensor:
    """Weights ``(C', C, 3, 3)`` as ``(81, C, C')``."""
    taps = weight.permute(2, 3, 1, 0)
    return _on_both_sides(_matrices().taps, taps.reshape(3, -1)).reshape(_READ**2, *taps.shape[2:])


def _padded(x: Tensor) -> Tensor:
    """Maps as ``(N, H + 2, W + 2, C)`` with zeros around them."""
    return functional.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).contiguous()


def _room(x: Tensor, channels: int) -> Tensor:
    """Room for the results by tiles, ``(N, H / 7, 7, W / 7, 7, C')``."""
    pictures, _, height, width = x.shape
    return x.new_empty(pictures, height // TILE, TILE, width // TILE, TILE, channels)


def _as_map(found: Tensor) -> Tensor:
    """Results by tiles as ``(N, C', H, W)``, in the order of ``channels_last``."""
    pictures, down, _, across, _, channels = found.shape
    return found.view(pictures, down * TILE, across * TILE, channels).permute(0, 3, 1, 2)


def _parts(x: Tensor) -> Iterator[slice]:
    """Pictures that are computed together; of maps, or of results by tiles."""
    pictures, places = len(x), x[0].numel() // (x.shape[1] if x.ndim == 4 else x.shape[-1])
    many = max(1, _TILES * TILE**2 // places)
    return (slice(start, start + many) for start in range(0, pictures, many))


def _tiles_of(padded: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """A part of what each tile reads, ``(height, width, N, H / 7, W / 7, C)``: a view of padded maps."""
    pictures, high, wide, channels = padded.shape
    picture, row, column, channel = padded.stride()
    return padded.as_strided(
        (height, width, pictures, (high - 2) // TILE, (wide - 2) // TILE, channels),
        (row, column, picture, TILE * row, TILE * column, channel),
        padded.storage_offset() + top * row + left * column,
    )


def _inputs(padded: Tensor) -> Tensor:
    """Padded maps transformed, ``(81, tiles, C)``."""
    read = _tiles_of(padded, 0, 0, _READ, _READ)
    return _on_both_sides(_matrices().inputs, read.flatten(1)).view(_READ**2, -1, padded.shape[-1])


def _results(products: Tensor, found: Tensor) -> Tensor:
    """Results of products ``(81, tiles, C')``, in the shape of the room that is there for them."""
    pictures, down, _, across, _, channels = found.shape
    sums = _on_both_sides(_matrices().results, products.view(_READ, -1))
    return sums.view(TILE, TILE, pictures, down, across, channels).permute(2, 3, 0, 4, 1, 5)


def _add_tiles(padded: Tensor, read: Tensor) -> None:
    """Add to padded maps what belongs to the places that each tile reads; neighbours read two rows in common."""
    ends = ((0, TILE), (TILE, 2))
    by_place = read.view(_READ, _READ, -1)
    for top, height in ends:
        for left, width in ends:
            view = _tiles_of(padded, top, left, height, width)
            view += by_place[top : top + height, left : left + width].view(view.shape)


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
