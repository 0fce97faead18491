"""Faces a second of each repair, on one core, at 224 px: `python benchmarks/repairs.py [seconds]`.

Each repair is timed on faces that need it: rendered, then blurred, noisy or saved as JPEG, so that none returns early.
The network and the router's classifier are timed untrained, which takes as long, and one face at a time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import perf_counter

import numpy as np

from deepfake_pipeline.degrade import DEGRADATIONS, SEVERITIES
from deepfake_pipeline.degrade.blur import GaussianBlur
from deepfake_pipeline.degrade.compression import Jpeg
from deepfake_pipeline.degrade.noise import SaltAndPepper
from deepfake_pipeline.engine import tune_malloc, use_threads
from deepfake_pipeline.media.render import RenderParams, render_face
from deepfake_pipeline.models.run import EnhancerRunner
from deepfake_pipeline.models.store import build_network
from deepfake_pipeline.restore import REPAIRS
from deepfake_pipeline.restore.base import Image
from deepfake_pipeline.restore.router import ClassifierRunner

SIDE, FACES = 224, 8
NEEDS = {
    "adaptive_median": SaltAndPepper(0.2),
    "wiener": GaussianBlur(3.0),
    "richardson_lucy": GaussianBlur(3.0),
    "jpeg_deblocking": Jpeg(15),
}
"""What a repair is timed on; the others take the same time for any noisy face."""


def main(seconds: float = 2.0) -> None:
    use_threads(1)
    tune_malloc()
    params = RenderParams(identities=FACES, size=SIDE)
    clean = [render_face(identity, 0, params).image for identity in range(FACES)]
    rng = np.random.default_rng(0)
    noisy = [np.clip(np.rint(image + rng.normal(0, 15, image.shape)), 0, 255).astype(np.uint8) for image in clean]
    print(f"{'repair':18} faces/s   ms")
    told = {"degradations": tuple(DEGRADATIONS), "severities": SEVERITIES}
    classifier = ClassifierRunner(build_network("degradation_classifier", told), "cpu")
    enhancer = EnhancerRunner(build_network("recurrent_unet"), "cpu")
    ways: dict[str, Callable[[Image], object]] = {
        **{name: repair.apply for name, repair in REPAIRS.items()},
        "network": lambda face: enhancer.enhance(face[None]),
        "classifier": lambda face: classifier.chances(face[None]),
    }
    for name, way in ways.items():
        faces: list[Image] = [NEEDS[name].apply(face, rng) for face in clean] if name in NEEDS else noisy
        way(faces[0])  # libraries are loaded late
        count, start = 0, perf_counter()
        while perf_counter() - start < seconds:
            way(faces[count % FACES])
            count += 1
        rate = count / (perf_counter() - start)
        print(f"{name:18} {rate:7.0f} {1000 / rate:6.2f}")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
