"""What the training loop costs the enhancer: ``python -m benchmarks.training_rate``.

The project's training runs as it is, on rendered faces, once with degradation switched off (every sample clean) and
once with it. Before each of its epochs a bare loop takes the same steps over tensors that lie in memory; an epoch is
a round, and the figures are medians over rounds, so that a busy machine slows all alike.
"""

from __future__ import annotations

import argparse
from statistics import median
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
import torch

from deepfake_pipeline.degrade import SEVERITIES, draw_recipe
from deepfake_pipeline.engine import tune_malloc, use_threads
from deepfake_pipeline.media.render import RenderParams, render_face
from deepfake_pipeline.models.run import computes_bfloat16
from deepfake_pipeline.models.store import build_network
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.training.config import EnhancerTraining
from deepfake_pipeline.training.feed import Wanted, loader
from deepfake_pipeline.training.loop import fit
from deepfake_pipeline.training.presets import ENHANCER_PRESETS, customised, resolved
from deepfake_pipeline.training.restoration import DegradedPairs, FreshlyDegraded
from deepfake_pipeline.training.result import Runtime
from deepfake_pipeline.training.tasks import EnhancerTask

WANTED = 0.9
STUDY = ("gaussian_blur", "shadow", "salt_and_pepper", "jpeg")


class BareLoop:
    """Forward, backward and a step of the optimizer, over batches in memory."""

    def __init__(self, task: EnhancerTask, batches: list[tuple[torch.Tensor, Wanted]]) -> None:
        self.task, self.batches = task, batches
        self.optimizer = task.configure_optimizers()["optimizer"]

    def run(self) -> None:
        """One round."""
        for batch in self.batches:
            with torch.autocast("cpu", torch.bfloat16, enabled=computes_bfloat16("cpu")):
                loss = self.task.loss(*batch, 0)
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            if clip := self.task.settings.gradient_clip:
                torch.nn.utils.clip_grad_norm_(self.task.network.parameters(), clip)
            self.optimizer.step()


class TimedTask(EnhancerTask):
    """The enhancer's task, which times its epochs and lets the bare loop run before each."""

    bare: ClassVar[BareLoop]
    rounds: ClassVar[list[tuple[float, float]]]  # seconds of the bare loop and of the epoch

    def on_train_epoch_start(self) -> None:
        start = perf_counter()
        self.bare.run()
        self.bare_seconds = perf_counter() - start
        super().on_train_epoch_start()
        self.started, self.left = perf_counter(), len(self.bare.batches)

    def on_train_batch_end(self, *_: Any) -> None:
        self.left -= 1
        if not self.left:
            self.rounds.append((self.bare_seconds, perf_counter() - self.started))


def timed(faces: PackedFaces, network: str, config: dict[str, Any], settings: EnhancerTraining, threads: int) -> Any:
    """Seconds of the bare loop and of training, in each round but the first."""
    TimedTask.rounds = []
    feed = FreshlyDegraded(faces, STUDY, SEVERITIES, settings, 0)
    batches = list(loader(feed, settings.batch_size, seed=0, draw=settings.epoch_faces))
    torch.manual_seed(0)
    TimedTask.bare = BareLoop(EnhancerTask(build_network(network, config), settings, 0, 10_000), batches)
    recipes = [draw_recipe(name.decode(), "jpeg", 3, 0) for name in faces.face_ids[:2]]
    fit(
        lambda: build_network(network, config),
        TimedTask,
        feed,
        DegradedPairs(faces, recipes, STUDY),
        settings,
        Runtime(threads=threads, accelerator="cpu"),
    )
    return TimedTask.rounds[1:]  # the first one loads and allocates


def main() -> None:
    """Print samples a second, and what of the bare loop's rate is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="recurrent_unet")
    parser.add_argument("--preset", default="sample", choices=["sample", "small"])
    parser.add_argument("--faces", type=int, default=64)
    parser.add_argument("--side", type=int, default=224, help="of a face in px")
    parser.add_argument("--steps", type=int, default=6, help="a round")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    use_threads(options.threads)
    tune_malloc()
    preset: Any = options.preset
    config, settings = resolved(ENHANCER_PRESETS[preset], options.network, {"conditions": STUDY}, {})
    draw = options.steps * settings.batch_size
    settings = customised(settings, {"max_epochs": options.rounds + 1, "epoch_faces": draw})
    params = RenderParams(size=options.side)
    names = np.array([f"{number:06d}" for number in range(options.faces)], "S64")
    images = np.stack([render_face(number, 0, params).image for number in range(options.faces)])
    faces = PackedFaces(images, np.zeros(options.faces, np.int8), names, names)
    print(f"{options.network}, preset {preset}: patches of {settings.patch} px, {options.threads} threads\n")
    kept = {}
    for name, changes in {"off": {"clean_share": 1.0, "chain_share": 0.0}, "on": {}}.items():
        rounds = timed(faces, options.network, config, customised(settings, changes), options.threads)
        bare, ours = (draw / median(side) for side in zip(*rounds, strict=True))
        kept[name] = median(a / b for a, b in rounds)
        print(
            f"degradation {name:<4} bare {bare:6.1f}, training {ours:6.1f} samples/s: {kept[name]:.1%} kept", flush=True
        )
    if kept["off"] < WANTED:
        print(f"below {WANTED:.0%}")
        raise SystemExit(1)


if __name__ == "__main__":
    main()
