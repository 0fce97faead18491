"""Memory of face extraction over 1,000 and 10,000 images: `python -m benchmarks.memory [--images 1000 10000]`.

Each run is a process of its own with two workers, over JPEG files of 160×160 px: a few rendered faces and crowds again
and again, each file with other bytes. Read, found with MTCNN (or the YuNet model that is named), cut, measured, encoded
and written as in the pipeline. The peak is the high-water mark that Linux keeps of each process.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from benchmarks.face_detection import crowds
from deepfake_pipeline.engine import use_threads
from deepfake_pipeline.faces import FaceParams, MtcnnParams, YunetParams
from deepfake_pipeline.faces.extract import extract_faces
from deepfake_pipeline.media.images import encode_image, resize
from deepfake_pipeline.media.render import RenderParams, render_face
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.tables import ParquetTable, RecordStream
from deepfake_pipeline.tables.schemas import MANIFEST
from deepfake_pipeline.tables.stream import write_shards

WORKERS, SIDE, EVERY = 2, 160, 0.1


def written(folder: Path, count: int) -> ParquetTable:
    """Files and the manifest that names them."""
    pictures = [render_face(one, 0, RenderParams(size=SIDE)).image for one in range(8)]
    pictures += [resize(crowd.image, SIDE, SIDE) for crowd in crowds(2)]
    encoded = [encode_image(picture, "jpeg") for picture in pictures]
    rows = []
    for number in range(count):
        data = encoded[number % len(encoded)] + number.to_bytes(4)  # what follows the picture is not looked at
        (folder / f"{number:06d}.jpg").write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        origin = {"sample_id": sha256[:16], "sha256": sha256, "path": f"{number:06d}.jpg", "source": "made-up"}
        truth = {"label": number % 2, "group": str(number), "split": "train", "memberships": [str(number)]}
        rows.append(origin | truth | {"width": SIDE, "height": SIDE, "bytes": len(data), "phash": 0, "kind": "image"})
    rows.sort(key=lambda row: str(row["sample_id"]))
    (folder / "manifest").mkdir()
    write_shards(RecordStream.of_rows(MANIFEST, rows), folder / "manifest")
    return ParquetTable(folder / "manifest")


def extract(folder: Path, yunet: str) -> None:
    """Extract all that a folder holds, and print faces, seconds, and peaks of this process and of its workers."""
    peaks: dict[int, float] = {}

    def watch() -> None:
        while True:
            for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
                peaks[process.pid] = max(_high_water(process.pid), peaks.get(process.pid, 0))
            time.sleep(EVERY)

    threading.Thread(target=watch, daemon=True).start()
    detector = YunetParams(model=yunet) if yunet else MtcnnParams()
    streams = extract_faces(
        ParquetTable(folder / "manifest"), folder, DatasetStudy(), FaceParams(detector=detector), workers=WORKERS
    )
    start, rows = time.perf_counter(), []
    for name, stream in zip(("faces", "rejected"), streams, strict=True):
        (folder / name).mkdir()
        rows.append(write_shards(stream, folder / name))
    seconds = time.perf_counter() - start
    workers = sorted((peak for pid, peak in peaks.items() if pid != os.getpid()), reverse=True)[:WORKERS]
    print(f"{rows[0]:>8,}{seconds:>9.0f}{peaks[os.getpid()]:>13.0f}{'  '.join(f'{one:.0f}' for one in workers):>17}")


def _high_water(pid: int) -> float:
    """Most memory that a process ever held, MiB; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 10_000], help="how many, one run each")
    parser.add_argument("--yunet", default="", help="ONNX file of YuNet, to use it instead of MTCNN")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    use_threads(1)
    if options.folder:
        extract(options.folder, options.yunet)
        return
    print("  images   faces  seconds  main, MiB  workers, MiB", flush=True)
    for count in options.images:
        with tempfile.TemporaryDirectory() as folder:
            written(Path(folder), count)
            print(f"{count:>8,}", end="", flush=True)
            command = [sys.executable, "-m", "benchmarks.memory", "--folder", folder, "--yunet", options.yunet]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
