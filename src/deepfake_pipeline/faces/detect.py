"""The MTCNN cascade, batched over images."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from deepfake_pipeline.faces import onednn
from deepfake_pipeline.faces.boxes import Boxes, moved, sides, squared, suppress
from deepfake_pipeline.faces.detections import Detections, Image
from deepfake_pipeline.faces.mtcnn import load_networks, normalised
from deepfake_pipeline.faces.params import MtcnnParams
from deepfake_pipeline.faces.pyramid import Pyramid, layout_of

_WINDOW, _STRIDE = 12, 2  # of the proposal network, in px of a level
_GROUP_PIXELS = 1 << 26  # images searched together, at most: bounds the memory of their pyramids
# Canvases and pixels of one pass of the proposal network. On a CPU convolutions of several images are computed
# by other routines than those of one, with other last digits: one at a time, an image gives what it gives alone.
_PASS = {"cpu": (1, 1 << 19), "cuda": (64, 1 << 24)}
_PASS_CROPS = {"cpu": 64, "cuda": 1024}  # of one pass of the other two
_ROWS = 8  # crops come in multiples of this: matrix products of very few rows are summed in another order


@dataclass(frozen=True)
class Candidates:
    """Boxes on their way through the cascade, of several images.

    Attributes:
        image: ``(n,)``, number of the image.
        boxes: corners ``(n, 4)`` in px.
        scores: ``(n,)``, probability of a face.
        points: ``(n, 5, 2)`` in px; NaN before the last stage.
    """

    image: npt.NDArray[np.intp]
    boxes: Boxes
    scores: npt.NDArray[np.float64]
    points: npt.NDArray[np.float64]

    def __getitem__(self, chosen: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Candidates:
        return Candidates(self.image[chosen], self.boxes[chosen], self.scores[chosen], self.points[chosen])

    @classmethod
    def joined(cls, parts: Sequence[Candidates]) -> Candidates:
        """All of them, one part after the other."""
        columns = ([getattr(part, name) for part in parts] for name in ("image", "boxes", "scores", "points"))
        return cls(*(np.concatenate(column) for column in columns))

    @classmethod
    def of(cls, image: npt.NDArray[np.intp], boxes: Boxes, scores: npt.NDArray[np.float64]) -> Candidates:
        """Boxes without points."""
        return cls(image, boxes, scores, np.full((len(image), 5, 2), np.nan))

    def suppressed(self, threshold: float, over: Literal["union", "smaller"] = "union") -> Candidates:
        """Those that stay, image by image; see :func:`suppress`. Boxes that collapsed do not."""
        kept = []
        sound = (self.boxes[:, 2:] > self.boxes[:, :2]).all(axis=1)
        for number in np.unique(self.image):
            own = np.flatnonzero((self.image == number) & sound)
            kept.append(own[suppress(self.boxes[own], self.scores[own], threshold, over)])
        return self[np.concatenate(kept)] if kept else self


class MtcnnDetector:
    """Faces and their five points by MTCNN.

    Images of one size share the passes of the proposal network; the crops of all images share those of the
    other two. Pixels are prepared on the CPU, the networks run on the accelerator; on a CPU in one thread, whatever
    the process is set to, since the last digits depend on their number: run several processes instead.

    Args:
        params: sizes and thresholds.
        accelerator: ``cpu``, ``cuda`` or ``auto`` (CUDA where there is one).
    """

    def __init__(self, params: MtcnnParams | None = None, accelerator: str = "cpu") -> None:
        self.params = params or MtcnnParams()
        if accelerator == "auto":
            accelerator = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(accelerator)
        self.pnet, self.rnet, self.onet = self._networks()

    def _networks(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        networks = load_networks(self.device)
        return onednn.blocked(*networks) if self.device.type == "cpu" and onednn.is_available() else networks

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Faces of each image, RGB uint8 ``(H, W, 3)``."""
        with torch.inference_mode(), _one_thread(self.device):
            return [found for group in _groups(images) for found in self._detect(group)]

    def _detect(self, images: Sequence[Image]) -> list[Detections]:
        pyramids = [Pyramid(image) for image in images]
        found = self._finished(pyramids, self._refined(pyramids, self._proposed(pyramids)))
        return [_detections(found[found.image == number]) for number in range(len(images))]

    def _proposed(self, pyramids: list[Pyramid]) -> Candidates:
        """Squares of all sizes that may hold a face, in pixels of the images."""
        by_size: dict[tuple[int, int], list[int]] = defaultdict(list)
        for number, pyramid in enumerate(pyramids):
            by_size[pyramid.size].append(number)
        parts = [_nothing()]
        for (height, width), numbers in by_size.items():
            layout = layout_of(height, width, _WINDOW, self.params.min_face, self.params.scale_factor)
            if not layout.levels:
                continue
            canvases = np.stack([pyramids[number].on_canvas(layout) for number in numbers])
            image, windows, offsets, scores = self._windows(canvases)
            boxes = moved(windows, offsets)
            for level in layout.levels:
                own = level.holds(windows)
                origin = np.array([level.left, level.top] * 2)
                scale = np.array([width / level.width, height / level.height] * 2)
                found = Candidates.of(np.array(numbers)[image[own]], (boxes[own] - origin) * scale, scores[own])
                parts.append(found.suppressed(0.5))
        found = Candidates.joined(parts).suppressed(0.7)
        return Candidates.of(found.image, squared(found.boxes), found.scores)

    def _windows(self, canvases: Image) -> tuple[npt.NDArray[Any], ...]:
        """Windows of ``(N, H, W, 3)`` that may hold a face: number of the canvas, corners, offsets, scores."""
        odds_least = _log_odds(self.params.thresholds[0])
        parts: list[tuple[npt.NDArray[Any], ...]] = []
        for images, rows in passes(canvases.shape[:3], *_PASS[self.device.type]):
            log_odds, offsets = self.pnet(normalised(canvases[images, rows], self.device))
            image, down, right = torch.nonzero(log_odds > odds_least, as_tuple=True)
            start = torch.stack([right, down], dim=1).cpu().numpy() * _STRIDE + [0, rows.start]
            parts.append(
                (
                    image.cpu().numpy() + images.start,
                    np.concatenate([start, start + _WINDOW], axis=1),
                    offsets[image, :, down, right].cpu().numpy(),
                    _probability(log_odds[image, down, right].cpu().numpy()),
                )
            )
        return tuple(np.concatenate(column) for column in zip(*parts, strict=True))

    def _refined(self, pyramids: list[Pyramid], found: Candidates) -> Candidates:
        """What the second network leaves of the proposals, as squares."""
        if not len(found.image):
            return found
        log_odds, offsets = self._judged(self.rnet, pyramids, found, 24)
        found = Candidates.of(found.image, moved(found.boxes, offsets), _probability(log_odds))
        found = found[found.scores > self.params.thresholds[1]].suppressed(0.7)
        return Candidates.of(found.image, squared(found.boxes), found.scores)

    def _finished(self, pyramids: list[Pyramid], found: Candidates) -> Candidates:
        """Faces with their points, as the third network sees them."""
        if not len(found.image):
            return found
        log_odds, offsets, shares = self._judged(self.onet, pyramids, found, 48)
        size = (found.boxes[:, 2:] - found.boxes[:, :2])[:, None]
        points = found.boxes[:, None, :2] + size * np.stack([shares[:, :5], shares[:, 5:]], axis=2)
        found = Candidates(found.image, moved(found.boxes, offsets), _probability(log_odds), points)
        return found[found.scores > self.params.thresholds[2]].suppressed(0.7, over="smaller")

    def _judged(
        self, network: nn.Module, pyramids: list[Pyramid], found: Candidates, side: int
    ) -> list[npt.NDArray[np.float64]]:
        """What a network says of the crops of all images: its outputs, one row a candidate."""
        crops = np.empty((len(found.image), side, side, 3), np.uint8)
        for number in np.unique(found.image):
            own = found.image == number
            crops[own] = pyramids[number].crops(found.boxes[own], side)
        parts = []
        for at in range(0, len(crops), _PASS_CROPS[self.device.type]):
            part = crops[at : at + _PASS_CROPS[self.device.type]]
            padded = np.pad(part, ((0, -len(part) % _ROWS), (0, 0), (0, 0), (0, 0)))
            outputs = network(normalised(padded, self.device))
            parts.append([output[: len(part)].cpu().numpy().astype(np.float64) for output in outputs])
        return [np.concatenate(column) for column in zip(*parts, strict=True)]


def passes(shape: tuple[int, ...], most: int, pixels: int) -> Iterator[tuple[slice, slice]]:
    """Cut canvases ``(N, H, W)`` into what is computed at once: whole ones, or strips of one.

    Strips overlap such that each window lies in exactly one of them.

    Args:
        shape: N, H, W.
        most: canvases at once, at most.
        pixels: of all that is computed at once, about, at most.
    """
    count, height, width = shape
    if height * width <= pixels:
        together = max(min(most, pixels // max(height * width, 1)), 1)
        for at in range(0, count, together):
            yield slice(at, min(at + together, count)), slice(0, height)
        return
    fresh = max(pixels // width // _STRIDE * _STRIDE, _STRIDE)
    overlap = _WINDOW - _STRIDE
    for image in range(count):
        for top in range(0, height - overlap, fresh):
            yield slice(image, image + 1), slice(top, min(top + fresh + overlap, height))


@contextmanager
def _one_thread(device: torch.device) -> Iterator[None]:
    threads = torch.get_num_threads()
    if device.type == "cpu" and threads != 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


def _groups(images: Sequence[Image]) -> Iterator[Sequence[Image]]:
    start, pixels = 0, 0
    for number, image in enumerate(images):
        own = image.shape[0] * image.shape[1]
        if pixels and pixels + own > _GROUP_PIXELS:
            yield images[start:number]
            start, pixels = number, 0
        pixels += own
    yield images[start:]


def _nothing() -> Candidates:
    return Candidates.of(np.zeros(0, np.intp), np.zeros((0, 4)), np.zeros(0))


def _detections(found: Candidates) -> Detections:
    return Detections.ordered(
        sides(found.boxes), found.scores.astype(np.float32), (found.points - 0.5).astype(np.float32)
    )


def _probability(log_odds: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    return 1 / (1 + np.exp(-log_odds.astype(np.float64)))


def _log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))
