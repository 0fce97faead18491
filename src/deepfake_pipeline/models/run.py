"""Running trained networks on pictures: uint8 in, probabilities or uint8 out, in bounded batches."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from deepfake_pipeline.models.detector import Detector
from deepfake_pipeline.models.fast import prepared
from deepfake_pipeline.models.inputs import to_network, to_pictures

BATCH = 32


def pick_device(accelerator: str) -> torch.device:
    """The device that ``auto``, ``cpu`` or ``cuda`` means on this machine."""
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(accelerator)


def computes_bfloat16(device: str) -> bool:
    """Whether a device (``cpu`` or ``cuda``) has bfloat16 dot products of its own."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)


class NetworkRunner:
    """A network on its device, ready to compute.

    Args:
        network: a detector or an enhancer.
        accelerator: auto, cpu or cuda.
    """

    def __init__(self, network: nn.Module, accelerator: str = "auto") -> None:
        self.device = pick_device(accelerator)
        self.network = network.eval().to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _batches(self, pictures: NDArray[np.uint8], size: int | None) -> list[torch.Tensor]:
        return [
            to_network(torch.from_numpy(np.array(pictures[at : at + BATCH])).to(self.device), size)
            for at in range(0, len(pictures), BATCH)
        ]


class Judged(NamedTuple):
    """What a detector says of ``N`` pictures: log-odds that each is forged, and the probability; float32 ``(N,)``."""

    logit: NDArray[np.float32]
    fake_probability: NDArray[np.float32]


class DetectorRunner(NetworkRunner):
    """Judges pictures.

    Args:
        network: stays as it is: a copy, made ready by :func:`models.fast.prepared`, computes.
        accelerator: auto, cpu or cuda.
        mixed: compute convolutions in bfloat16, but for the first, where the device has it natively; otherwise, and
            by default, everything in float32. Probabilities of the two differ by less than 0.01.
    """

    def __init__(self, network: Detector, accelerator: str = "auto", *, mixed: bool = False) -> None:
        self.mixed = mixed and computes_bfloat16(pick_device(accelerator).type)
        super().__init__(prepared(network, mixed=self.mixed), accelerator)
        self.image_size = network.image_size

    @torch.inference_mode()
    def judge(self, pictures: NDArray[np.uint8]) -> Judged:
        """Logit and probability of each picture of uint8 ``(N, H, W, 3)``."""
        parts = [torch.zeros(0)]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
            for at in range(0, len(pictures), BATCH):
                (batch,) = self._batches(pictures[at : at + BATCH], self.image_size)
                parts.append(self.network(batch).logit.float().cpu())
        logit = torch.cat(parts)
        return Judged(logit.numpy(), torch.sigmoid(logit).numpy())

    def fake_probability(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probability ``(N,)`` that each picture of uint8 ``(N, H, W, 3)`` is forged."""
        return self.judge(pictures).fake_probability


class EnhancerRunner(NetworkRunner):
    """Restores pictures of one size, in bfloat16 where the device computes it natively."""

    @torch.inference_mode()
    def enhance(self, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Restored uint8 ``(N, H, W, 3)`` from uint8 of the same shape."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=computes_bfloat16(self.device.type)):
            parts = [to_pictures(self.network(batch)).cpu().numpy() for batch in self._batches(pictures, None)]
        return np.concatenate(parts) if parts else pictures
