"""PSNR, SSIM and MAE of batches of tensors: the numbers of :mod:`deepfake_pipeline.metrics.fidelity`, on any device.

They are differentiable, so that SSIM can be part of a loss. Autocast is left for the time of a call: a variance
in 8 bits of mantissa is none.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from deepfake_pipeline.metrics.fidelity import MAX_PSNR, SSIM_K1, SSIM_K2, SSIM_RADIUS, SSIM_SIGMA


def mae_batch(reference: Tensor, images: Tensor) -> Tensor:
    """Mean absolute difference of each image, in [0, 1].

    Args:
        reference: float (N, C, H, W) in [0, 1].
        images: of the same shape.

    Returns:
        float32 (N,).
    """
    _check(reference, images)
    return (reference.float() - images.float()).abs().mean(dim=(1, 2, 3))


def psnr_batch(reference: Tensor, images: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image over all channels together, in dB, for a range of 1; at most 100.

    Args:
        reference: float (N, C, H, W) in [0, 1].
        images: of the same shape.

    Returns:
        float32 (N,).
    """
    _check(reference, images)
    error = (reference.float() - images.float()).square().mean(dim=(1, 2, 3))
    return -10 * torch.log10(error.clamp_min(10 ** (-MAX_PSNR / 10)))


def ssim_batch(reference: Tensor, images: Tensor) -> Tensor:
    """Structural similarity of each image, mean over channels; definition and window as in ``fidelity.ssim``.

    Args:
        reference: float (N, C, H, W) in [0, 1], both sides at least 11.
        images: of the same shape.

    Returns:
        float32 (N,); 1 = identical.

    Raises:
        ValueError: not (N, C, H, W), different shapes, or smaller than the window.

    >>> images = torch.linspace(0, 1, 3 * 16 * 16).reshape(1, 3, 16, 16)
    >>> round(float(ssim_batch(images, images)), 4)
    1.0
    """
    _check(reference, images)
    if min(reference.shape[2:]) <= 2 * SSIM_RADIUS:
        raise ValueError(f"SSIM needs images of at least 11 x 11 pixels, not {tuple(reference.shape[2:])}")
    with torch.autocast(reference.device.type, enabled=False):
        x, y = reference.float(), images.float()
        total, apart = x + y - 1, x - y  # see fidelity.ssim
        means = _window(torch.stack([total, apart, total.square(), apart.square()]))
        spread = means[2:] - means[:2].square()
        mean_total, mean_apart = (means[0] + 1).square(), means[1].square()
        c1, c2 = 2 * SSIM_K1**2, 2 * SSIM_K2**2
        similarity = (mean_total - mean_apart + c1) / (mean_total + mean_apart + c1)
        similarity = similarity * (spread[0] - spread[1] + c2) / (spread[0] + spread[1] + c2)
        return similarity.mean(dim=(1, 2, 3))


def _window(maps: Tensor) -> Tensor:
    """Weighted mean of every window that lies wholly inside: (4, N, C, H, W) to (4, N, C, H - 10, W - 10).

    Each plane is a group of its own: the fastest form on a CPU, and one that CUDA computes in full float32, where
    an ordinary convolution may use TF32.
    """
    offsets = torch.arange(-SSIM_RADIUS, SSIM_RADIUS + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (offsets / SSIM_SIGMA).square())
    weights = (weights / weights.sum()).to(maps.device, torch.float32)
    planes = maps.shape[:3].numel()
    flat = maps.reshape(1, planes, *maps.shape[3:])
    flat = F.conv2d(flat, weights.view(1, 1, -1, 1).expand(planes, 1, -1, 1), groups=planes)
    flat = F.conv2d(flat, weights.view(1, 1, 1, -1).expand(planes, 1, 1, -1), groups=planes)
    return flat.reshape(*maps.shape[:3], *flat.shape[2:])


def _check(reference: Tensor, images: Tensor) -> None:
    if reference.ndim != 4 or reference.shape != images.shape:
        raise ValueError(
            f"expected two (N, C, H, W) tensors of one shape, not {tuple(reference.shape)} and {tuple(images.shape)}"
        )
