"""Faces per second from JPEG files to probabilities: scoring with two workers against the plain loop.

    python -m benchmarks.scoring [--rounds 7] [--faces 256] [--photographs 64] [--memory 2000 20000]

The plain loop runs in a process of its own, once with the threads that torch takes by itself and once with one
thread; the faster counts. Both sides are timed in turns, in short rounds, so that what else the machine does weighs
on both; while one is timed, the other waits. The ratio is the median over rounds. Start-up is told by itself. On a
machine that others use, compare faces per CPU second: of two cores, scoring uses both, and one thread uses one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from deepfake_pipeline.media.images import encode_image
from deepfake_pipeline.media.render import RenderParams, render_crowd, render_face
from deepfake_pipeline.scoring.portions import FILES_PER_BATCH
from deepfake_pipeline.scoring.release import Release, packaged_release
from deepfake_pipeline.scoring.score import score_files

SIDE = 224  # px, of the crops in common use
WORKERS = 2
ROUND = 4 * WORKERS * FILES_PER_BATCH  # faces that scoring is timed on
PLAIN_ROUND = 48
REST = 0.3  # s, in which the workers finish what they have begun
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class PlainLoop:
    """The plain loop in a fresh process."""

    def __init__(self, folder: Path, threads: int | None) -> None:
        command = [sys.executable, "-m", "benchmarks.plain_scoring", str(folder)]
        environment = {name: value for name, value in os.environ.items() if name not in _THREADS}
        self.process = subprocess.Popen(
            command + (["--threads", str(threads)] if threads else []),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self.process.stdout is not None and self.process.stdout.readline().strip() == "ready"

    def judge(self, start: int, count: int) -> dict[str, Any]:
        """Seconds and probabilities of so many pictures."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print(start, count, file=self.process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


class Scoring:
    """Scoring that goes on where it was left."""

    def __init__(self, folder: Path, release: Release) -> None:
        began = time.perf_counter()
        self.rows = (row for row in score_files([folder], release, faces="whole", workers=WORKERS) if "face" in row)
        self.probabilities: dict[str, float] = {}
        self._take(1)
        self.start_up = time.perf_counter() - began

    def _take(self, count: int) -> None:
        for _ in range(count):
            row = next(self.rows)
            self.probabilities[Path(row["path"]).name] = row["fake_probability"]

    def speeds(self, count: int = ROUND) -> tuple[float, float]:
        """Faces per second, and per second of CPU time, over so many, when what waited since last time is taken."""
        self._take(2 * WORKERS * FILES_PER_BATCH)
        began, spent = time.perf_counter(), self._cpu_seconds()
        self._take(count)
        return count / (time.perf_counter() - began), count / (self._cpu_seconds() - spent)

    @staticmethod
    def _cpu_seconds() -> float:
        own = psutil.Process()
        return sum(sum(process.cpu_times()[:2]) for process in (own, *_workers(own)))


def _workers(process: psutil.Process) -> list[psutil.Process]:
    """Its worker processes: the children that multiprocessing has spawned for work."""
    return [child for child in process.children() if any("spawn_main" in part for part in child.cmdline())]


def write_faces(folder: Path, distinct: int, files: int) -> None:
    """JPEG crops of rendered faces; beyond the distinct ones, more names of the same files."""
    params = RenderParams(size=SIDE)
    for number in range(files):
        path = folder / f"{number:06d}.jpg"
        if number < distinct:
            path.write_bytes(encode_image(render_face(number, 0, params).image, "jpeg"))
        else:
            os.link(folder / f"{number % distinct:06d}.jpg", path)


def compare(folder: Path, release: Release, distinct: int, rounds: int) -> None:
    """Print the speed of both, their ratio, and how far the probabilities lie apart."""
    loops = {"plain, threads of torch": PlainLoop(folder, None), "plain, one thread": PlainLoop(folder, 1)}
    scoring = Scoring(folder, release)
    speeds: dict[str, list[float]] = {name: [] for name in (*loops, "kedro score")}
    cpu: dict[str, list[float]] = {name: [] for name in speeds}
    plain: dict[str, float] = {}
    for number in range(rounds):
        for name, loop in loops.items():
            time.sleep(REST)
            answer = loop.judge(number * PLAIN_ROUND % distinct, PLAIN_ROUND)
            speeds[name].append(len(answer["probabilities"]) / answer["seconds"])
            cpu[name].append(len(answer["probabilities"]) / answer["cpu"])
            plain |= answer["probabilities"]
        time.sleep(REST)
        fast, frugal = scoring.speeds()
        speeds["kedro score"].append(fast)
        cpu["kedro score"].append(frugal)
    for loop in loops.values():
        loop.close()
    ratios = [
        fast / max(slow) for fast, *slow in zip(speeds["kedro score"], *(speeds[name] for name in loops), strict=True)
    ]
    difference = max(abs(plain[name] - scoring.probabilities[name]) for name in plain.keys() & scoring.probabilities)
    print(f"crops of {SIDE} px, {WORKERS} workers, {os.cpu_count()} cores; {rounds} rounds, median (least to most)")
    for name, values in speeds.items():
        spread = f"({min(values):.1f} to {max(values):.1f})"
        print(f"{name:<24}{statistics.median(values):>8.1f} faces/s {spread:<18}", end="")
        print(f"{statistics.median(cpu[name]):>8.1f} faces per CPU second")
    print(
        f"{'ratio to the faster':<24}{statistics.median(ratios):>8.2f}         ({min(ratios):.2f} to {max(ratios):.2f})"
    )
    print(f"largest difference of the probability: {difference:.4f} over {len(plain)} faces")
    print(f"first row after {scoring.start_up:.1f} s, workers' start included")


def memory(folder: Path, release: Release, counts: list[int]) -> None:
    """Print the memory of this process and of the workers after so many files."""
    process = psutil.Process()
    base = process.memory_info().rss
    rows: Iterator[Any] = (
        row for row in score_files([folder], release, faces="whole", workers=WORKERS) if row["level"] == "file"
    )
    done = 0
    for count in sorted(counts):
        while done < count:
            next(rows)
            done += 1
        own = process.memory_info().rss - base
        workers = [child.memory_info().rss for child in _workers(process)]
        told = ", ".join(f"{rss / 2**20:.0f}" for rss in workers)
        print(f"memory after {count:,} files: this process {own / 2**20:+.0f} MiB, workers {told} MiB")


def photographs(folder: Path, release: Release, count: int) -> None:
    """Print how fast photographs are scored in which faces are to be found, and what takes the time."""
    import cProfile
    import pstats

    from deepfake_pipeline.engine import tune_malloc, use_threads
    from deepfake_pipeline.scoring.score import FileScorer

    use_threads(1)
    tune_malloc()
    files = [folder / f"{number}.jpg" for number in range(count)]
    for number, path in enumerate(files):
        picture, _ = render_crowd(number, faces=1 + number % 4, height=480, width=640)
        path.write_bytes(encode_image(picture, "jpeg"))
    scorer = FileScorer(release, "detect")
    scorer(files[:2])
    profile = cProfile.Profile(time.process_time)
    rows = profile.runcall(scorer, files)
    stats: dict[Any, Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    by_name = {(Path(file).name, name): times[3] for (file, _, name), times in stats.items()}
    total = by_name["score.py", "__call__"]
    faces = sum(row["level"] == "face" for row in rows)
    print(f"\nphotographs of 640×480 px, {count} with {faces} faces found, one process, CPU time")
    print(f"{count / total:.1f} photographs/s, {faces / total:.1f} faces/s")
    for what, key in {
        "decoding": ("images.py", "decode_image"),
        "finding faces": ("score.py", "_search"),
        "cutting, measuring": ("score.py", "_measured"),
        "judging": ("score.py", "_judged"),
    }.items():
        print(f"{what:<20}{by_name.get(key, 0.0) / total:>6.0%}")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--faces", type=int, default=240, help="how many different crops are rendered")
    parser.add_argument("--photographs", type=int, default=48, help="how many photographs are rendered")
    parser.add_argument("--memory", type=int, nargs="*", default=[2000, 20000], help="files after which memory is told")
    options = parser.parse_args()
    release = packaged_release()
    timed = options.rounds * (ROUND + 2 * WORKERS * FILES_PER_BATCH) + 4 * WORKERS * FILES_PER_BATCH
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "faces")
        folder.mkdir()
        write_faces(folder, options.faces, max([timed, *options.memory]))
        compare(folder, release, options.faces, options.rounds)
        if options.memory:
            memory(folder, release, options.memory)
        if options.photographs:
            photographs(Path(temporary), release, options.photographs)


if __name__ == "__main__":
    main()
