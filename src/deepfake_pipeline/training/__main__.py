"""``python -m deepfake_pipeline.training``: train on packed arrays alone, on a machine without Kedro."""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from deepfake_pipeline.degrade import DEGRADATIONS
from deepfake_pipeline.engine import tune_malloc, use_threads
from deepfake_pipeline.models import DETECTORS, ENHANCERS
from deepfake_pipeline.models.store import network_bytes
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.packed import PackedFaces, open_packed
from deepfake_pipeline.training.detector import train_detector
from deepfake_pipeline.training.enhancer import train_enhancer
from deepfake_pipeline.training.presets import DETECTOR_PRESETS, ENHANCER_PRESETS, PRESETS, resolved
from deepfake_pipeline.training.restoration import evenly_degraded
from deepfake_pipeline.training.result import Fitted, Runtime


def main(arguments: Sequence[str] | None = None) -> int:
    """Train one network; write it, its history and what it took."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    use_threads(options.threads)
    tune_malloc()
    runtime = Runtime(
        options.seed, options.threads, options.loader_workers, options.accelerator, options.out / "checkpoints"
    )
    try:
        train, validation = (open_packed(options.arrays / split) for split in ("train", "validation"))
        started = time.monotonic()
        fitted = _train(options, train, validation, runtime)
    except UserError as error:
        logging.error("error: %s", error)
        return 1
    seconds = time.monotonic() - started
    best = next(row for row in fitted.history if row["kept"])
    report = {
        "network": options.network,
        "preset": options.preset,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "torch": torch.__version__,
        "seconds": seconds,
        "faces": len(train),
        "kept": best,
        "history": fitted.history,
    }
    (options.out / f"{options.network}.safetensors").write_bytes(network_bytes(fitted.network))
    (options.out / f"{options.network}.json").write_text(json.dumps(report, indent=2) + "\n")
    logging.info("kept epoch %d of %d: %s", best["epoch"] + 1, len(fitted.history), best)
    return 0


def _train(options: argparse.Namespace, train: PackedFaces, validation: PackedFaces, runtime: Runtime) -> Fitted:
    changes = dict(pair.split("=", 1) for pair in options.set)
    parsed = {key: json.loads(value) for key, value in changes.items()}
    presets: Any = DETECTOR_PRESETS if options.network in DETECTORS else ENHANCER_PRESETS
    config = json.loads(options.network_config)
    network_config, settings = resolved(presets[options.preset], options.network, config, parsed)
    common: Any = {"network": options.network, "network_config": network_config, "settings": settings}
    if options.network in DETECTORS:
        return train_detector(train, validation, runtime=runtime, **common)
    names = options.degradations
    recipes = evenly_degraded(validation, options.seed, degradations=names)
    return train_enhancer(train, validation, recipes, runtime=runtime, degradations=names, **common)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m deepfake_pipeline.training", description=main.__doc__)
    parser.add_argument("--arrays", type=Path, required=True, help="folder with train/ and validation/, as packed")
    parser.add_argument("--network", choices=[*DETECTORS, *ENHANCERS], default="residual_energy")
    parser.add_argument("--network-config", default="{}", help="JSON: fields of the network's configuration")
    parser.add_argument("--preset", choices=PRESETS, default="small")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings to change in the preset")
    parser.add_argument(
        "--degradations",
        nargs="+",
        choices=DEGRADATIONS,
        default=list(DEGRADATIONS),
        metavar="NAME",
        help="of enhancers",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--loader-workers", type=int, default=0)
    parser.add_argument("--accelerator", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--out", type=Path, default=Path("trained"), help="folder for weights, history, checkpoints")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
