"""Enhancement of faces on this machine's cores, as a multiple of the plain loop: ``python -m benchmarks.enhancement``.

The plain loop takes one picture at a time through the same network in eager float32, as torch builds it, in a process
of its own whose memory is managed as glibc does it by default; ``--tuned-malloc`` gives it the project's setting. The
two processes take turns, so that a busy machine slows both alike; the ratio is the median over rounds.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deepfake_pipeline.engine import tune_malloc, use_threads
from deepfake_pipeline.media.render import RenderParams, render_face
from deepfake_pipeline.models.run import EnhancerRunner
from deepfake_pipeline.models.store import build_network, load_network, network_bytes, parameter_count
from deepfake_pipeline.training.presets import ENHANCER_PRESETS, resolved

WANTED = 3.0
STUDY = ("gaussian_blur", "shadow", "salt_and_pepper", "jpeg")

Faces = NDArray[np.uint8]


@torch.inference_mode()
def plain_loop(network: Any, faces: Faces) -> None:
    """One face at a time, eager float32."""
    for face in faces:
        images = torch.from_numpy(face).permute(2, 0, 1)[None].contiguous().float() / 255
        restored = (network(images).clamp(0, 1) * 255).round().to(torch.uint8)
        restored[0].permute(1, 2, 0).contiguous().numpy()


def serve(wire: Connection, data: bytes, faces: Faces, threads: int, tuned_malloc: bool) -> None:
    """Run the plain loop whenever asked, and say how many seconds it took."""
    use_threads(threads)
    if tuned_malloc:
        tune_malloc()
    network = load_network(data)
    while wire.recv():
        start = perf_counter()
        plain_loop(network, faces)
        wire.send(perf_counter() - start)


@contextmanager
def plain_process(data: bytes, faces: Faces, threads: int, tuned_malloc: bool) -> Iterator[Connection]:
    """A process that serves the plain loop."""
    context = multiprocessing.get_context("spawn")
    wire, other = context.Pipe()
    process = context.Process(target=serve, args=(other, data, faces, threads, tuned_malloc))
    process.start()
    yield wire
    wire.send(False)
    process.join()


def networks() -> dict[str, bytes]:
    """Every enhancer as the preset for two cores builds it, with weights that change the picture."""
    torch.manual_seed(0)
    built: dict[str, Any] = {}
    for name in ("recurrent_unet", "recurrent_unet_wide", "nafnet"):
        config, _ = resolved(ENHANCER_PRESETS["small"], name, {"conditions": STUDY}, {})
        built[name] = build_network(name, config)
    built["recurrent_unet, paper"] = build_network("recurrent_unet")
    for network in built.values():
        torch.nn.init.normal_(network.last.weight, std=0.01)
    return {name: network_bytes(network) for name, network in built.items()}


def main() -> None:
    """Print milliseconds a face, the ratio, and what the runner chose."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=256, help="of a face in px")
    parser.add_argument("--faces", type=int, default=16, help="a round")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tuned-malloc", action="store_true", help="for the plain loop too")
    parser.add_argument("--network", type=Path, help="a trained .safetensors instead of all untrained ones")
    options = parser.parse_args()
    use_threads(options.threads)
    tune_malloc()
    faces = np.stack([render_face(number, 0, RenderParams(size=options.side)).image for number in range(options.faces)])
    chosen = {options.network.stem: options.network.read_bytes()} if options.network else networks()
    print(f"{options.faces} faces of {options.side} px, {options.threads} threads, median of {options.rounds} rounds\n")
    print(f"{'network':<24}{'parameters':>11}{'plain ms':>10}{'ms':>8}{'ratio':>7}  backend")
    ratios = []
    for name, data in chosen.items():
        network: Any = load_network(data)
        size = parameter_count(network)
        runner = EnhancerRunner(network, "cpu")
        with plain_process(data, faces, options.threads, options.tuned_malloc) as plain:
            slow, fast = [], []
            for number in range(options.rounds + 1):
                plain.send(True)
                seconds = plain.recv()
                start = perf_counter()
                runner.enhance(faces)
                if number:  # the first round loads and allocates
                    slow.append(seconds)
                    fast.append(perf_counter() - start)
        ratios.append(median(a / b for a, b in zip(slow, fast, strict=True)))
        times = [1000 * median(side) / options.faces for side in (slow, fast)]
        print(f"{name:<24}{size:>11,}{times[0]:>10.1f}{times[1]:>8.1f}{ratios[-1]:>7.2f}  {runner.backend}", flush=True)
    if ratios[0] < WANTED:
        print(f"below {WANTED:g}: {next(iter(chosen))}")
        raise SystemExit(1)


if __name__ == "__main__":
    main()
