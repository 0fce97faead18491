"""Detectors side by side: recall, precision, landmark error, speed against a plain MTCNN loop, memory.

    python -m benchmarks.face_detection [--yunet MODEL.onnx] [--dlib-faces FOLDER] [--crowds 20] [--memory 1000 10000]

Rendered crowds carry exact truth. Recall and precision are at an overlap of 0.5; recall counts faces whose shorter
side is over 40 px; the landmark error is the mean distance of the five points as a share of the distance between the
eyes, the median over faces. Speed is the ratio to the plain loop, timed in turns in this run on one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import psutil

from benchmarks.plain_mtcnn import PlainMtcnn
from deepfake_pipeline.engine import tune_malloc, use_threads
from deepfake_pipeline.faces import Detections, FaceDetector, MtcnnParams, YunetParams, build_detector
from deepfake_pipeline.faces.boxes import corners, overlap
from deepfake_pipeline.faces.detections import Image
from deepfake_pipeline.media.images import decode_image
from deepfake_pipeline.media.render import render_crowd

_EYES = slice(36, 42), slice(42, 48)  # of the 68 points of the annotations
_NOSE_AND_MOUTH = 30, 48, 54
_SMALL = 40  # px
_SURE = 0.8  # least score that counts, as in the pipeline


class Picture(NamedTuple):
    """An image, the boxes ``(n, 4)`` of all its faces, and ``(m, 5, 2)`` points of those that have some."""

    image: Image
    boxes: np.ndarray
    points: np.ndarray


def crowds(count: int) -> Iterator[Picture]:
    """Rendered crowds of two to nine people, 640×480 px."""
    for seed in range(count):
        image, truths = render_crowd(seed, faces=2 + seed % 8, height=480, width=640)
        yield Picture(image, np.stack([t.box for t in truths]), np.stack([t.landmarks for t in truths]))


def photographs(folder: Path) -> Iterator[Picture]:
    """Photographs with boxes and 68 points in dlib's XML files."""
    for name in ("testing", "training"):
        marks = {image.get("file"): image for image in _images(folder / f"{name}_with_face_landmarks.xml")}
        for image in _images(folder / f"{name}.xml"):
            file = str(image.get("file"))
            boxes = [
                [float(box.get(key, "nan")) for key in ("left", "top", "width", "height")] for box in image.iter("box")
            ]
            points = [_five(box) for box in marks[file].iter("box")] if file in marks else []
            yield Picture(
                decode_image((folder / file).read_bytes()), np.array(boxes), np.array(points).reshape(-1, 5, 2)
            )


def _images(path: Path) -> Iterator[ElementTree.Element]:
    return ElementTree.parse(path).iter("image")


def _five(box: ElementTree.Element) -> np.ndarray:
    points = np.array([[float(part.get(key, "nan")) for key in "xy"] for part in box.iter("part")])
    return np.stack([*(points[eye].mean(axis=0) for eye in _EYES), *points[list(_NOSE_AND_MOUTH)]])


def judged(pictures: list[Picture], found: list[Detections]) -> tuple[float, float, float]:
    """Recall over 40 px, precision, median landmark error."""
    large = hits = right = boxes = 0
    errors = []
    for picture, faces in zip(pictures, found, strict=True):
        sure = faces.where(faces.scores >= _SURE)
        match = overlap(corners(picture.boxes), corners(sure.boxes)) >= 0.5
        over = picture.boxes[:, 2:].min(axis=1) > _SMALL
        large, hits = large + over.sum(), hits + match[over].any(axis=1).sum()
        boxes, right = boxes + len(sure), right + match.any(axis=0).sum()
        for points in picture.points if len(sure) else []:
            error = np.linalg.norm(sure.landmarks - points, axis=2).mean(axis=1).min()
            errors.append(error / np.linalg.norm(points[1] - points[0]))
    return hits / max(large, 1), right / max(boxes, 1), float(np.median(errors or [np.nan]))


def compare(title: str, detectors: dict[str, FaceDetector], pictures: list[Picture], rounds: int) -> None:
    """Print a table of all detectors on the same pictures."""
    images = [picture.image for picture in pictures]
    found = {name: detector.detect(images) for name, detector in detectors.items()}  # and warm up
    seconds = {name: float("inf") for name in detectors}
    for _ in range(rounds):
        for name, detector in detectors.items():
            start = time.process_time()
            detector.detect(images)
            seconds[name] = min(seconds[name], time.process_time() - start)
    print(f"\n{title}: {len(images)} images, {sum(len(picture.boxes) for picture in pictures)} faces")
    print(f"{'detector':<12}{'recall':>8}{'precision':>11}{'landmarks':>11}{'images/s':>10}{'ratio':>7}")
    for name in detectors:
        recall, precision, error = judged(pictures, found[name])
        speed, ratio = len(images) / seconds[name], seconds["plain"] / seconds[name]
        print(f"{name:<12}{recall:>8.3f}{precision:>11.3f}{error:>11.3f}{speed:>10.1f}{ratio:>7.2f}")


def memory(detector: FaceDetector, counts: list[int]) -> None:
    """Print the resident memory after so many images, taken 32 at a time as extraction does."""
    made = [picture.image for picture in crowds(8)]
    process, done = psutil.Process(), 0
    for count in sorted(counts):
        while done < count:
            detector.detect([made[(done + one) % 8][one % 7 :, one % 5 :] for one in range(min(32, count - done))])
            done += min(32, count - done)
        print(f"memory after {count:,} images: {process.memory_info().rss / 2**20:.0f} MiB")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--yunet", help="ONNX file of YuNet")
    parser.add_argument("--dlib-faces", type=Path, help="folder of photographs with dlib's XML files")
    parser.add_argument("--crowds", type=int, default=20, help="how many crowds are rendered")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is timed; the best counts")
    parser.add_argument(
        "--memory", type=int, nargs="*", default=[], help="numbers of images after which memory is told"
    )
    options = parser.parse_args()
    use_threads(1)
    tune_malloc()
    params = MtcnnParams()
    detectors: dict[str, FaceDetector] = {"plain": PlainMtcnn(params), "mtcnn": build_detector(params)}
    if options.yunet:
        detectors["yunet"] = build_detector(YunetParams(model=options.yunet))
    use_threads(1)
    compare("rendered crowds", detectors, list(crowds(options.crowds)), options.rounds)
    if options.dlib_faces:
        compare("photographs", detectors, list(photographs(options.dlib_faces)), options.rounds)
    if options.memory:
        memory(detectors["mtcnn"], options.memory)


if __name__ == "__main__":
    main()
