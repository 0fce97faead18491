"""Faces a second of each classical repair, on one core, at 224 px: `python benchmarks/repairs.py [seconds]`.

Each repair is timed on faces that need it: rendered, then blurred, noisy or saved as JPEG, so that none returns early.
"""

from __future__ import annotations

import sys
from time import perf_counter

import numpy as np

from deepfake_pipeline.degrade.blur import GaussianBlur
from deepfake_pipeline.degrade.compression import Jpeg
from deepfake_pipeline.degrade.noise import SaltAndPepper
from deepfake_pipeline.engine import tune_malloc, use_threads
from deepfake_pipeline.media.render import RenderParams, render_face
from deepfake_pipeline.restore import REPAIRS
from deepfake_pipeline.restore.base import Image

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
    for name, repair in REPAIRS.items():
        faces: list[Image] = [NEEDS[name].apply(face, rng) for face in clean] if name in NEEDS else noisy
        repair.apply(faces[0])  # libraries are loaded late
        count, start = 0, perf_counter()
        while perf_counter() - start < seconds:
            repair.apply(faces[count % FACES])
            count += 1
        rate = count / (perf_counter() - start)
        print(f"{name:18} {rate:7.0f} {1000 / rate:6.2f}")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
