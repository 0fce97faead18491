"""Running trained networks on pictures: uint8 in, probabilities or uint8 out, in bounded batches."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from deepfake_pipeline.models.detector import Detector
from deepfake_pipeline.models.enhancer import Enhancer
from deepfake_pipeline.models.inputs import to_network, to_pictures
from deepfake_pipeline.tables.errors import UserError

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
    """Judges pictures, in float32."""

    def __init__(self, network: Detector, accelerator: str = "auto") -> None:
        super().__init__(network, accelerator)
        self.image_size = network.image_size

    @torch.inference_mode()
    def judge(self, pictures: NDArray[np.uint8]) -> Judged:
        """Logit and probability of each picture of uint8 ``(N, H, W, 3)``."""
        parts = [self.network(batch).logit for batch in self._batches(pictures, self.image_size)]
        probabilities = [torch.sigmoid(part) for part in parts]
        logit, probability = (
            torch.cat(some).float().cpu().numpy() if some else np.zeros(0, np.float32)
            for some in (parts, probabilities)
        )
        return Judged(logit, probability)

    def fake_probability(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probability ``(N,)`` that each picture of uint8 ``(N, H, W, 3)`` is forged."""
        return self.judge(pictures).fake_probability


class EnhancerRunner(NetworkRunner):
    """Restores pictures of one size, in bfloat16 where the device computes it natively."""

    network: Enhancer

    @torch.inference_mode()
    def enhance(self, pictures: NDArray[np.uint8], condition: NDArray[np.float32] | None = None) -> NDArray[np.uint8]:
        """Restored uint8 ``(N, H, W, 3)`` from uint8 of the same shape.

        Args:
            pictures: of one size.
            condition: float32 ``(N, len(conditions))``, see :class:`models.enhancer.Enhancer`; None = not known.

        Raises:
            UserError: the network gives values that are no numbers.
        """
        parts = []
        for number, batch in enumerate(self._batches(pictures, None)):
            told = None
            if condition is not None:
                rows = condition[number * BATCH : (number + 1) * BATCH]
                told = torch.from_numpy(np.array(rows, np.float32)).to(self.device)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=computes_bfloat16(self.device.type)):
                restored = self.network(batch, told)
            if not torch.isfinite(restored).all():
                raise UserError(
                    "the enhancer gives values that are no numbers: train it again, at a lower learning rate"
                )
            parts.append(to_pictures(restored).cpu().numpy())
        return np.concatenate(parts) if parts else pictures
