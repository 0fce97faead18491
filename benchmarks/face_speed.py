"""Images a second of MTCNN here against the plain loop, on the same two cores, and where the time goes.

    python -m benchmarks.face_speed [--images FOLDER] [--crowds 24] [--rounds 5] [--cores 2]

Both sides read the same JPEG files (rendered crowds with exact truth, or those of a folder), decode them alike, and run
the same weights with the same thresholds and sizes. The plain loop (:mod:`benchmarks.plain_mtcnn`) is one process, with
as many threads as cores, which is what torch does by itself, and again with one thread; ours is as many processes as
cores, of one thread each, as face extraction works. They take turns, and the median of the ratios of the rounds
counts, so that what else the machine does falls on all. Threads that wait for each other spin: on a busy machine the
loop with several is slower than with one, so the faster of the two counts. CPU time against the loop with one thread
says the same core by core, and hangs least on other work.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

from benchmarks.face_detection import Picture, crowds, judged
from deepfake_pipeline.engine import tune_malloc, use_threads
from deepfake_pipeline.faces import Detections, FaceDetector, MtcnnParams
from deepfake_pipeline.faces.boxes import corners, overlap
from deepfake_pipeline.media.images import decode_image, encode_image

CHUNK = 8  # images that a process takes at a time

_detector: FaceDetector


class Round(NamedTuple):
    """What a side did once: wall seconds, CPU seconds, and faces by image."""

    wall: float
    cpu: float
    found: list[Detections]


def _start_plain(threads: int) -> None:
    global _detector  # noqa: PLW0603 -- one for the life of the process
    from benchmarks.plain_mtcnn import PlainMtcnn

    use_threads(threads)
    _detector = PlainMtcnn(MtcnnParams())
    use_threads(threads)


def _start_ours() -> None:
    global _detector  # noqa: PLW0603 -- one for the life of the process
    from deepfake_pipeline.faces.detect import MtcnnDetector

    use_threads(1)
    tune_malloc()
    _detector = MtcnnDetector(MtcnnParams())
    use_threads(1)


def _find(paths: list[Path]) -> tuple[list[Detections], float]:
    start = time.process_time()
    found = _detector.detect([decode_image(path.read_bytes()) for path in paths])
    return found, time.process_time() - start


def once(pool: Pool, paths: list[Path]) -> Round:
    """All images through the processes of a side."""
    start = time.perf_counter()
    parts = pool.map(_find, [paths[at : at + CHUNK] for at in range(0, len(paths), CHUNK)], chunksize=1)
    wall = time.perf_counter() - start
    return Round(wall, sum(cpu for _, cpu in parts), [one for found, _ in parts for one in found])


def compare(paths: list[Path], pictures: list[Picture], rounds: int, cores: int) -> None:
    """Print a table of the sides, the ratio, and how far they agree."""
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        sides = {
            f"plain, {cores} threads": stack.enter_context(context.Pool(1, _start_plain, (cores,))),
            "plain, 1 thread": stack.enter_context(context.Pool(1, _start_plain, (1,))),
            f"ours, {cores} processes": stack.enter_context(context.Pool(cores, _start_ours)),
        }
        for pool in sides.values():
            once(pool, paths)  # warm up
        done = [[once(pool, paths) for pool in sides.values()] for _ in range(rounds)]
    print(f"{'':<24}{'images/s':>10}{'CPU ms':>9}{'faces':>7}" + ("recall".rjust(8) if pictures else ""))
    for name, own in zip(sides, zip(*done, strict=True), strict=True):
        wall, cpu = (float(np.median([getattr(one, key) for one in own])) for key in ("wall", "cpu"))
        line = f"{name:<24}{len(paths) / wall:>10.1f}{1e3 * cpu / len(paths):>9.1f}{sum(map(len, own[0].found)):>7}"
        print(line + (f"{judged(pictures, own[0].found)[0]:>8.3f}" if pictures else ""))
    images = [min(threads.wall, one.wall) / ours.wall for threads, one, ours in done]
    core = [one.cpu / ours.cpu for _, one, ours in done]
    for what, ratios in (
        ("images a second, to the faster loop", images),
        ("CPU time, to the loop of one thread", core),
    ):
        print(f"ratio of {what}: {np.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")
    _, plain, ours = done[0]
    shared = sum(_shared(a, b) for a, b in zip(plain.found, ours.found, strict=True))
    print(f"{shared} of the plain loop's {sum(map(len, plain.found))} faces are ours too, at an overlap of 0.5")


def _shared(a: Detections, b: Detections) -> int:
    return int((overlap(corners(a.boxes), corners(b.boxes)) >= 0.5).any(axis=1).sum()) if len(a) and len(b) else 0


def shares(paths: list[Path]) -> None:
    """Print where the CPU time of one process goes, stage by stage."""
    from deepfake_pipeline.faces import detect
    from deepfake_pipeline.faces.pyramid import Pyramid

    _start_ours()
    seconds, running = Counter[str](), []

    def timed(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            running.append(0.0)  # what is called inside is counted there
            start = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.process_time() - start
                seconds[stage] += spent - running.pop()
                if running:
                    running[-1] += spent

        return wrapper

    with ExitStack() as stack:
        for stage, owner, name in (
            ("pyramid", Pyramid, "on_canvas"),
            ("crops", Pyramid, "crops"),
            ("suppression", detect, "suppress"),
            ("to floats", detect, "normalised"),
            ("P-Net", _detector.pnet, "forward"),
            ("R-Net", _detector.rnet, "forward"),
            ("O-Net", _detector.onet, "forward"),
        ):
            stack.enter_context(patch.object(owner, name, timed(stage, getattr(owner, name))))
        read = timed("read, decode", lambda part: [decode_image(path.read_bytes()) for path in part])
        search = timed("the rest", _detector.detect)
        search(read(paths))
        seconds.clear()
        for at in range(0, len(paths), CHUNK):
            search(read(paths[at : at + CHUNK]))
    whole = sum(seconds.values())
    print(f"where {1e3 * whole / len(paths):.1f} ms of an image go:")
    for stage, spent in seconds.most_common():
        print(f"  {stage:<14}{spent / whole:>6.0%}{1e3 * spent / len(paths):>8.2f} ms")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, help="folder of JPEG files, instead of rendered crowds")
    parser.add_argument("--crowds", type=int, default=24, help="how many crowds are rendered")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--cores", type=int, default=2, help="threads of the plain loop, processes of ours")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pictures = [] if options.images else list(crowds(options.crowds))
        for number, picture in enumerate(pictures):
            Path(folder, f"{number:05d}.jpg").write_bytes(encode_image(picture.image, "jpeg"))
        paths = sorted((options.images or Path(folder)).glob("*.jpg"))
        compare(paths, pictures, options.rounds, options.cores)
        shares(paths)


if __name__ == "__main__":
    main()
