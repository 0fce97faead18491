"""The usual scoring loop, one picture after another in float32: what the speed of scoring is compared with.

    python -m benchmarks.plain_scoring FOLDER [--threads N]

Reads lines ``START COUNT`` and answers each with one JSON object: seconds of wall and CPU time, and probabilities of
those pictures of the folder, by name. Threads and memory are left as torch and the system have them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import cv2
import torch
from torch.nn import functional

from deepfake_pipeline.scoring.release import Release, packaged_release


@torch.inference_mode()
def judge(files: list[Path], release: Release) -> dict[str, float]:
    """Decode, resize and judge each picture by itself."""
    network, size = release.detector.eval(), release.detector.image_size
    side = (release.geometry.width, release.geometry.height)
    probabilities = {}
    for file in files:
        picture = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
        if picture.shape[1::-1] != side:
            picture = cv2.resize(picture, side, interpolation=cv2.INTER_AREA)
        floats = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
        floats = functional.interpolate(floats, (size, size), mode="bilinear", antialias=True)
        logit = network(floats).logit.double().numpy()
        probabilities[file.name] = float(release.rule.calibrator.probability(logit)[0])
    return probabilities


def main() -> None:
    """Answer requests until there are no more."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    files, release = sorted(options.folder.iterdir()), packaged_release()
    judge(files[:4], release)  # warm
    print("ready", flush=True)
    for line in sys.stdin:
        start, count = map(int, line.split())
        began, spent = time.perf_counter(), time.process_time()
        probabilities = judge(files[start : start + count], release)
        seconds, cpu = time.perf_counter() - began, time.process_time() - spent
        print(json.dumps({"seconds": seconds, "cpu": cpu, "probabilities": probabilities}), flush=True)


if __name__ == "__main__":
    main()
