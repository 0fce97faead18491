"""Changes of training faces that keep their label, drawn for a whole batch at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from deepfake_pipeline.training.config import DetectorTraining


def augment(images: Tensor, config: DetectorTraining, generator: torch.Generator) -> Tensor:
    """Flip, turn, zoom and relight faces.

    Args:
        images: float ``(N, 3, H, W)`` in [0, 1].
        config: how much of each.
        generator: on the CPU, so that the draws are the same on every device.

    Returns:
        ``(N, 3, H, W)`` in [0, 1].
    """
    count = len(images)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    mirrored = (uniform(0, 1) < (0.5 if config.flip else 0.0)).to(images.device)
    images = torch.where(mirrored.view(-1, 1, 1, 1), images.flip(3), images)

    angle = uniform(-config.rotation, config.rotation) * (math.pi / 180)
    scale = 1 + uniform(-config.zoom, config.zoom)
    moved = (uniform(0, 1) < config.geometry_share).nonzero().flatten()
    if len(moved) and (config.rotation or config.zoom):
        images[moved.to(images.device)] = _turn(images, moved, angle[moved], scale[moved])

    if config.light:
        gain = 1 + uniform(-config.light, config.light).view(-1, 1, 1, 1).to(images)
        shift = (uniform(-config.light, config.light) / 2).view(-1, 1, 1, 1).to(images)
        images = ((images - 0.5) * gain + 0.5 + shift).clamp_(0, 1)
    return images


def _turn(images: Tensor, chosen: Tensor, angle: Tensor, scale: Tensor) -> Tensor:
    """Rotate about the centre by ``angle`` radians and shrink by ``scale``; borders are mirrored."""
    cosine, sine, zero = torch.cos(angle) * scale, torch.sin(angle) * scale, torch.zeros_like(angle)
    matrix = torch.stack([cosine, -sine, zero, sine, cosine, zero], dim=1).view(-1, 2, 3).to(images)
    picked = images[chosen.to(images.device)]
    grid = functional.affine_grid(matrix, list(picked.shape), align_corners=False)
    return functional.grid_sample(picked, grid, padding_mode="reflection", align_corners=False)
