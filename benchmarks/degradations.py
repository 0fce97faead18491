"""Faces per second and core that each degradation makes, and what JPEG2000 costs beside its bare codec.

Run ``python -m benchmarks.degradations [--side 256] [--repeats 5]``. One thread; the best of the repeats, since other
work on the machine can only slow a repeat down. A ratio compares times that were taken in turns in this run.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from io import BytesIO
from time import perf_counter

import cv2
import numpy as np
from PIL import Image as Pillow

from deepfake_pipeline.degrade import DEGRADATIONS, SEVERITIES, apply, draw_recipe
from deepfake_pipeline.degrade.base import Image
from deepfake_pipeline.degrade.jpeg2000 import SENT_RATE
from deepfake_pipeline.degrade.severity import STEPS
from deepfake_pipeline.media.render import RenderParams, render_face

BITS = 24
MIDDLE = 3


def best_seconds(works: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Shortest time of each piece of work; they take turns, so that a busy machine slows all of them alike."""
    best = [float("inf")] * len(works)
    for _ in range(repeats):
        for number, work in enumerate(works):
            start = perf_counter()
            work()
            best[number] = min(best[number], perf_counter() - start)
    return best


def degrade_all(faces: Sequence[Image], name: str, severity: int) -> Callable[[], object]:
    """All faces under one degradation, from recipes drawn beforehand."""
    recipes = [draw_recipe(str(number), name, severity, 0) for number in range(len(faces))]
    return lambda: [apply(recipe, face) for recipe, face in zip(recipes, faces, strict=True)]


def pillow_codec(faces: Sequence[Image], rate: float) -> Callable[[], object]:
    """Bare JPEG2000 of Pillow: an image in memory to a stream and back to an array, with the codec's defaults."""

    def round_trip(face: Image) -> Image:
        stream = BytesIO()
        Pillow.fromarray(face).save(stream, "JPEG2000", irreversible=True, quality_layers=[BITS / rate])
        return np.array(Pillow.open(stream))

    return lambda: [round_trip(face) for face in faces]


def opencv_codec(faces: Sequence[Image], rate: float) -> Callable[[], object]:
    """Bare JPEG2000 of OpenCV, at about the same size."""

    def round_trip(face: Image) -> object:
        options = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, round(1000 * rate / BITS)]
        return cv2.imdecode(cv2.imencode(".jp2", face, options)[1], cv2.IMREAD_COLOR)

    return lambda: [round_trip(face) for face in faces]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=8, help="rendered faces a repeat")
    parser.add_argument("--side", type=int, default=224, help="side of a face in px")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    faces = [render_face(number, 0, RenderParams(size=options.side)).image for number in range(options.faces)]

    print(f"{options.faces} rendered faces of {options.side} x {options.side} px, severity {MIDDLE}, one thread\n")
    print(f"{'degradation':<20}{'ms a face':>10}{'faces/s and core':>18}")
    for name in DEGRADATIONS:
        (seconds,) = best_seconds([degrade_all(faces, name, MIDDLE)], options.repeats)
        print(f"{name:<20}{1000 * seconds / len(faces):>10.2f}{len(faces) / seconds:>18.0f}")

    print("\nTime as a multiple of the bare codec, encoding and decoding at the same bits a pixel")
    print(f"{'degradation':<20}{'severity':>9}{'ms a face':>10}{'x Pillow':>10}{'x OpenCV':>10}")
    for name in ("jpeg2000", "fast_fading"):
        for severity in SEVERITIES:
            rate = STEPS[name].at(severity) if name == "jpeg2000" else SENT_RATE
            works = [degrade_all(faces, name, severity), pillow_codec(faces, rate), opencv_codec(faces, rate)]
            ours, pillow, opencv = best_seconds(works, options.repeats)
            print(
                f"{name:<20}{severity:>9}{1000 * ours / len(faces):>10.2f}{ours / pillow:>10.2f}{ours / opencv:>10.2f}"
            )


if __name__ == "__main__":
    main()
