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
    count = len(images)
    number = torch.arange(count) if alike is None else alike.cpu()

    def uniform(low: float, high: float) -> Tensor:
        return (torch.rand(count, generator=generator) * (high - low) + low)[number]

    mirrored = (uniform(0, 1) < (0.5 if config.flip else 0.0)).to(images.device)
    images = torch.where(mirrored.view(-1, 1, 1, 1), images.flip(3), images)

    angle = uniform(-config.rotation, config.rotation) * (math.pi / 180)
    scale = 1 + uniform(-config.zoom, config.zoom)
    moved = (uniform(0, 1) < config.geometry_share).nonzero().flatten()
    if len(moved) and (config.rotation or config.zoom):
        images[moved.to(images.device)] = _turn(images, moved, angle[moved], scale[moved])

    colours, rest = images[:, :3], images[:, 3:]
    if config.light:
        gain = 1 + uniform(-config.light, config.light).view(-1, 1, 1, 1).to(images)
        shift = (uniform(-config.light, config.light) / 2).view(-1, 1, 1, 1).to(images)
        colours = ((colours - 0.5) * gain + 0.5 + shift).clamp_(0, 1)
    if config.tint:
        gain = 1 + uniform(-config.tint, config.tint).view(-1, 1, 1, 1).to(images)
        grey = colours.mean(1, keepdim=True)
        shifts = [uniform(-config.tint, config.tint) / 4 for _ in range(3)]
        shift = torch.stack(shifts, dim=1)[:, :, None, None].to(images)
        colours = (grey + (colours - grey) * gain + shift).clamp_(0, 1)
    images = torch.cat([colours, rest], 1) if rest.shape[1] else colours
    return cutout(images, config.cutout, generator, number) if config.cutout else images


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
    height, width = images.shape[2:]
    draws = torch.rand(5, len(images), generator=generator)
    chosen, *sizes_and_places = (draws if alike is None else draws[:, alike.cpu()]).to(images.device)
    half_height, half_width = (0.075 + 0.15 * draw for draw in sizes_and_places[:2])
    middle_y, middle_x = (0.2 + 0.6 * draw for draw in sizes_and_places[2:])
    y = (torch.arange(height, device=images.device) + 0.5) / height
    x = (torch.arange(width, device=images.device) + 0.5) / width
    rows = (y - middle_y[:, None]).abs() <= half_height[:, None]
    columns = (x - middle_x[:, None]).abs() <= half_width[:, None]
    painted = rows[:, None, :, None] & columns[:, None, None, :] & (chosen < share).view(-1, 1, 1, 1)
    colour = images.mean((2, 3), keepdim=True)
    colour[:, 3:] = 0
    return torch.where(painted, colour, images)


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
