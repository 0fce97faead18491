"""Changes of training faces that keep their label, drawn for a whole batch at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from deepfake_pipeline.training.config import DetectorTraining


def augment(
    images: Tensor, config: DetectorTraining, generator: torch.Generator, alike: Tensor | None = None
) -> Tensor:
    """Flip, turn, zoom and relight faces, and paint over a part of some.

    Args:
        images: float ``(N, 3, H, W)`` in [0, 1]; a fourth channel, the altered share of a pixel, moves with its face,
            keeps its values, and is 0 where a face is painted over.
        config: how much of each.
        generator: on the CPU, so that the draws are the same on every device.
        alike: int64 ``(N,)``; faces of one number in [0, N) are changed alike. None changes each by itself.

    Returns:
        As ``images``.
    """
    images = images.clone()
    count = len(images)
    number = torch.arange(count) if alike is None else alike.cpu()

    def uniform(low: float, high: float) -> Tensor:
        return (torch.rand(count, generator=generator) * (high - low) + low)[number]

    mirrored = (uniform(0, 1) < (0.5 if config.flip else 0.0)).nonzero().flatten().to(images.device)
    if len(mirrored):
        images[mirrored] = images[mirrored].flip(3)

    angle = uniform(-config.rotation, config.rotation) * (math.pi / 180)
    scale = 1 + uniform(-config.zoom, config.zoom)
    moved = (uniform(0, 1) < config.geometry_share).nonzero().flatten()
    if len(moved) and (config.rotation or config.zoom):
        images[moved.to(images.device)] = _turn(images, moved, angle[moved], scale[moved])

    if config.light or config.tint:
        contrast, light = 1 + uniform(-config.light, config.light), uniform(-config.light, config.light) / 2
        saturation = 1 + uniform(-config.tint, config.tint)
        shifts = torch.stack([uniform(-config.tint, config.tint) / 4 for _ in range(3)], dim=1)
        images = _recoloured(images, contrast, saturation, shifts + light[:, None])
    return cutout(images, config.cutout, generator, number) if config.cutout else images


def _recoloured(images: Tensor, contrast: Tensor, saturation: Tensor, shifts: Tensor) -> Tensor:
    """Colours pulled towards grey by ``saturation``, spread about 0.5 by ``contrast``, then moved by ``shifts``.

    One product with a matrix a face, since passes over the pictures are what costs.

    Args:
        images: ``(N, 3, H, W)``; a fourth channel stays.
        contrast: ``(N,)``, 1 leaves it.
        saturation: ``(N,)``, 1 leaves it.
        shifts: ``(N, 3)``.
    """
    count, channels, height, width = images.shape
    pull = saturation.view(-1, 1, 1)
    matrix, offset = torch.eye(channels).repeat(count, 1, 1), torch.zeros(count, 1, channels)
    matrix[:, :3, :3] = contrast.view(-1, 1, 1) * (pull * torch.eye(3) + (1 - pull) / 3)
    offset[:, 0, :3] = 0.5 * (1 - contrast).view(-1, 1) + shifts
    pixels = images.permute(0, 2, 3, 1).reshape(count, height * width, channels)
    with torch.autocast(images.device.type, enabled=False):  # bfloat16 would round away what a forgery hangs on
        changed = torch.baddbmm(offset.to(images), pixels, matrix.to(images)).clamp_(0, 1)
    return changed.view(count, height, width, channels).permute(0, 3, 1, 2)


def cutout(images: Tensor, share: float, generator: torch.Generator, alike: Tensor | None = None) -> Tensor:
    """Paint a rectangle over some faces, so that no one part of a face decides.

    Its sides are 15 to 45 % of the picture's, its middle lies in the inner 60 %, where faces are, and it has the
    mean colour of the picture.

    Args:
        images: float ``(N, 3, H, W)``; a fourth channel, the altered share of a pixel, becomes 0 there.
        share: of the faces that are painted over.
        generator: on the CPU.
        alike: int64 ``(N,)``; faces of one number in [0, N) are painted over alike. None paints each by itself.

    Returns:
        As ``images``.
    """
    images = images.clone()
    draws = torch.rand(5, len(images), generator=generator)
    chosen, *halves_and_middles = draws if alike is None else draws[:, alike.cpu()]
    halves = [0.075 + 0.15 * draw for draw in halves_and_middles[:2]]
    middles = [0.2 + 0.6 * draw for draw in halves_and_middles[2:]]
    rows, columns = (
        _covered(middle, half, side) for middle, half, side in zip(middles, halves, images.shape[2:], strict=True)
    )
    for face in (chosen < share).nonzero().flatten().tolist():
        colour = images[face].mean((1, 2))
        colour[3:] = 0
        images[face, :, rows[face], columns[face]] = colour.view(-1, 1, 1)
    return images


def _covered(middle: Tensor, half: Tensor, side: int) -> list[slice]:
    """The pixels of a side whose middles lie within ``half`` of ``middle``, both ``(N,)`` shares of the side."""
    first = ((middle - half) * side - 0.5).ceil().clamp(min=0).long()
    last = ((middle + half) * side - 0.5).floor().long()
    return [slice(start, end + 1) for start, end in zip(first.tolist(), last.tolist(), strict=True)]


def mixup(images: Tensor, targets: Tensor, most: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mix into each face another one of the batch, and its label as much.

    Args:
        images: float ``(N, 3, H, W)``.
        targets: float ``(N,)``, 1 = forged.
        most: largest share of the other face; the share is uniform in [0, most].
        generator: on the CPU.

    Returns:
        ``(N, 3, H, W)`` and ``(N,)``.
    """
    share = (most * torch.rand(len(images), generator=generator)).to(images)
    other = torch.randperm(len(images), generator=generator).to(images.device)
    return (
        torch.lerp(images, images[other], share.view(-1, 1, 1, 1)),
        torch.lerp(targets, targets[other], share.to(targets)),
    )


def _turn(images: Tensor, chosen: Tensor, angle: Tensor, scale: Tensor) -> Tensor:
    """Rotate about the centre by ``angle`` radians and shrink by ``scale``; borders are mirrored."""
    cosine, sine, zero = torch.cos(angle) * scale, torch.sin(angle) * scale, torch.zeros_like(angle)
    matrix = torch.stack([cosine, -sine, zero, sine, cosine, zero], dim=1).view(-1, 2, 3).to(images)
    picked = images[chosen.to(images.device)]
    grid = functional.affine_grid(matrix, list(picked.shape), align_corners=False)
    return functional.grid_sample(picked, grid, padding_mode="reflection", align_corners=False)
