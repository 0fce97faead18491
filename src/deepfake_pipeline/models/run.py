"""Running trained networks on pictures: uint8 in, probabilities or uint8 out, in bounded batches."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from deepfake_pipeline.models import fused
from deepfake_pipeline.models.detector import Detector
from deepfake_pipeline.models.fast import prepared
from deepfake_pipeline.models.inputs import to_network, to_pictures
from deepfake_pipeline.tables.errors import UserError

BATCH = 32
CACHED_PIXELS = 256 * 256
"""Pixels that an enhancer takes at a time on a CPU: with more, its features leave the cache."""

logger = logging.getLogger(__name__)


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
        self.network: Any = network.eval().to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def batches(self, pictures: NDArray[np.uint8], size: int | None) -> list[torch.Tensor]:
        """The pictures as the network reads them, at most ``BATCH`` at a time; ``size`` as of ``inputs.to_network``."""
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
        device = pick_device(accelerator).type
        self.mixed = mixed and computes_bfloat16(device)
        super().__init__(prepared(network, mixed=self.mixed, winograd=device == "cpu" and not self.mixed), accelerator)
        self.image_size = network.image_size

    def judge(self, pictures: NDArray[np.uint8]) -> Judged:
        """Logit and probability of each picture of uint8 ``(N, H, W, 3)``."""
        (logit,) = logits_by_each([self], pictures)
        return Judged(logit, torch.sigmoid(torch.from_numpy(logit)).numpy())

    def fake_probability(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probability ``(N,)`` that each picture of uint8 ``(N, H, W, 3)`` is forged."""
        return self.judge(pictures).fake_probability


@torch.inference_mode()
def logits_by_each(judges: Sequence[DetectorRunner], pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logits ``(judges, N)`` of pictures uint8 ``(N, H, W, 3)``, which are brought to each size once.

    Args:
        judges: at least one, all on the same device.
        pictures: of one size.
    """
    parts = [torch.zeros(len(judges), 0)]
    for at in range(0, len(pictures), BATCH):
        seen: dict[int, torch.Tensor] = {}
        logits = []
        for judge in judges:
            if judge.image_size not in seen:
                (seen[judge.image_size],) = judge.batches(pictures[at : at + BATCH], judge.image_size)
            with torch.autocast(judge.device.type, torch.bfloat16, enabled=judge.mixed):
                logits.append(judge.network(seen[judge.image_size]).logit.float().cpu())
        parts.append(torch.stack(logits))
    found: NDArray[np.float32] = torch.cat(parts, dim=1).numpy()
    return found


class EnhancerRunner(NetworkRunner):
    """Restores pictures of one size in the fastest form that is exact enough.

    On a CPU the convolutions are :mod:`models.fused` where the network has any that can be, and the network computes
    in bfloat16 where the CPU does so natively and the result stays within half a step of a pixel; else in float32.
    What is taken depends on the machine's features and the network alone, never on a clock, so that a run can be
    repeated.

    Attributes:
        backend: what was taken: ``bfloat16`` or ``float32``, ``fused`` or not.
    """

    def __init__(self, network: nn.Module, accelerator: str = "auto") -> None:
        super().__init__(network, accelerator)
        self.dtype = torch.bfloat16 if computes_bfloat16(self.device.type) else torch.float32
        self.backend = str(self.dtype).removeprefix("torch.")
        if self.device.type == "cpu":
            self._choose()
        logger.debug("the enhancer runs as %s", self.backend)

    def _choose(self) -> None:
        for dtype in dict.fromkeys((self.dtype, torch.float32)):
            form = fused.fused(self.network, dtype)
            if fused.difference(self.network, form, dtype) <= fused.TOLERANCE:
                kind = "" if form is self.network else "fused "
                self.network, self.dtype = form, dtype
                self.backend = kind + str(dtype).removeprefix("torch.")
                return

    def enhance(self, pictures: NDArray[np.uint8], condition: NDArray[np.float32] | None = None) -> NDArray[np.uint8]:
        """Restored uint8 ``(N, H, W, 3)`` from uint8 of the same shape.

        Args:
            pictures: of one size.
            condition: float32 ``(N, len(conditions))``, see :class:`models.enhancer.Enhancer`; None = not known.

        Raises:
            UserError: the network gives values that are no numbers.
        """
        if not len(pictures):
            return pictures
        told = None if condition is None else np.asarray(condition, np.float32)
        size = BATCH if self.device.type != "cpu" else max(1, CACHED_PIXELS // pictures[0, :, :, 0].size)
        batches = [
            (pictures[at : at + size], None if told is None else told[at : at + size])
            for at in range(0, len(pictures), size)
        ]
        threads = min(torch.get_num_threads(), len(batches)) if self.device.type == "cpu" else 1
        if threads == 1:
            return np.concatenate([self._enhance(*batch) for batch in batches])
        # Cores with a batch each wait for nobody; cores that share the layers of one wait after every layer.
        return np.concatenate(list(self._pool.map(lambda batch: self._enhance(*batch), batches)))

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        """Kept: threads that come and go ask for their memory anew each time, which takes a fifth of the time."""
        return ThreadPoolExecutor(torch.get_num_threads(), initializer=torch.set_num_threads, initargs=(1,))

    @torch.inference_mode()
    def _enhance(self, pictures: NDArray[np.uint8], told: NDArray[np.float32] | None) -> NDArray[np.uint8]:
        images = to_network(torch.from_numpy(np.array(pictures)).to(self.device))
        condition = None if told is None else torch.from_numpy(told).to(self.device)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32):
            restored = self.network(images, condition)
        if not torch.isfinite(restored.sum()):  # one number that is none makes the sum none
            raise UserError("the enhancer gives values that are no numbers: train it at a lower learning rate")
        return to_pictures(restored).cpu().numpy()
