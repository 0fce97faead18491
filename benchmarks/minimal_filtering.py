"""What fewer multiplications gain and how they round: ``python -m benchmarks.minimal_filtering [--rounds 5]``.

The members of the packaged detector judge a batch and take a step of training, by direct convolution and by
:mod:`deepfake_pipeline.models.winograd` in turns, in float32 on one thread. CPU time is measured; ratios are medians
over rounds. Gradients of both, and in bfloat16, are compared with those of float64.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from statistics import median
from time import process_time
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from deepfake_pipeline.engine import tune_malloc, use_threads
from deepfake_pipeline.media.render import RenderParams, render_face
from deepfake_pipeline.models import winograd
from deepfake_pipeline.models.fast import prepared
from deepfake_pipeline.scoring.release import packaged_release

BATCH = 32
WAYS = ("direct", "short")


@contextmanager
def taking(way: str) -> Iterator[None]:
    """Convolve that way meanwhile."""
    least = winograd._LEAST_TILES
    winograd._LEAST_TILES = 10**9 if way == "direct" else least
    try:
        yield
    finally:
        winograd._LEAST_TILES = least


def compared(what: str, work: Callable[[], Any], rounds: int) -> None:
    """Print the CPU time of some work by both ways."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(rounds + 1):
        for way in WAYS:
            with taking(way):
                began = process_time()
                work()
                if number:  # the first one asks for memory
                    seconds[way].append(process_time() - began)
    ratio = median(a / b for a, b in zip(*seconds.values(), strict=True))
    told = ", ".join(f"{way} {1000 * median(times):.0f} ms" for way, times in seconds.items())
    print(f"{what:<28}{told}, ratio {ratio:.2f}", flush=True)


def gradient(network: Any, images: Tensor, labels: Tensor, energies: Tensor, dtype: torch.dtype) -> Tensor:
    """Of all weights, as one vector of float64."""
    twin = copy.deepcopy(network).to(dtype if dtype is torch.float64 else torch.float32)
    exact = next(twin.parameters()).dtype
    with torch.autocast("cpu", torch.bfloat16) if dtype is torch.bfloat16 else nullcontext():
        logit = twin(images.to(exact), energies.to(exact)).logit
    functional.binary_cross_entropy_with_logits(logit.to(exact), labels.to(exact)).backward()
    return torch.cat([weight.grad.flatten().double() for weight in twin.parameters()])


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    use_threads(1)
    tune_malloc()
    detector = packaged_release().detector
    params = RenderParams(size=detector.image_size)
    faces = torch.stack([torch.from_numpy(render_face(number, 0, params).image) for number in range(BATCH)])
    images = (faces.permute(0, 3, 1, 2).float() / 255).contiguous(memory_format=torch.channels_last)
    labels = (torch.arange(BATCH) % 2).float()
    ready = prepared(detector, winograd=True).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        compared(f"judging {BATCH} faces", lambda: ready(images), options.rounds)
    for number, member in enumerate(detector.members):
        network: Any = copy.deepcopy(member).train().to(memory_format=torch.channels_last)
        network.drop.p = 0.0

        def step(network: Any = network) -> None:
            network.zero_grad()
            functional.binary_cross_entropy_with_logits(network(images).logit, labels).backward()

        compared(f"step of member {number + 1}", step, options.rounds)
        with torch.no_grad():
            energies = network.energies(images)
        true = gradient(network, images, labels, energies, torch.float64)
        errors = {}
        for way, dtype in (*((way, torch.float32) for way in WAYS), ("bfloat16", torch.bfloat16)):
            with taking(way):
                found = gradient(network, images, labels, energies, dtype)
            errors[way] = float((found - true).norm() / true.norm())
        print("  its gradient is off by " + ", ".join(f"{error:.4f} ({way})" for way, error in errors.items()))


if __name__ == "__main__":
    main()
