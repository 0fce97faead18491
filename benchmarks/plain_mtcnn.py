"""The usual MTCNN loop with the same weights, thresholds and sizes: what speed is compared with.

It is what the public ports do, image by image: the pyramid by one `cv2.resize` from the whole image a scale (as the
package `mtcnn`), the proposal network and non-maximum suppression scale by scale, then crops cut and resized one by
one, and those of a stage judged in one batch (as facenet-pytorch). Eager float32 in torch's own layout, NCHW.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from deepfake_pipeline.faces.boxes import moved, sides, squared, suppress
from deepfake_pipeline.faces.detections import Detections, Image
from deepfake_pipeline.faces.mtcnn import load_networks, normalised
from deepfake_pipeline.faces.params import MtcnnParams


class PlainMtcnn:
    """Faces and points, one image after the other."""

    def __init__(self, params: MtcnnParams) -> None:
        self.params = params
        networks = load_networks()
        self.pnet, self.rnet, self.onet = (one.to(memory_format=torch.contiguous_format) for one in networks)

    def detect(self, images: list[Image]) -> list[Detections]:
        """Faces of each image, one at a time."""
        with torch.inference_mode():
            return [self._detect(image) for image in images]

    def _detect(self, image: Image) -> Detections:
        boxes, scores = self._proposed(image)
        for network, side, threshold in (
            (self.rnet, 24, self.params.thresholds[1]),
            (self.onet, 48, self.params.thresholds[2]),
        ):
            if not len(boxes):
                return Detections.none()
            windows = squared(boxes)
            odds, offsets, *shares = (out.numpy().astype(float) for out in network(self._crops(image, windows, side)))
            scores = 1 / (1 + np.exp(-odds))
            good = scores > threshold
            boxes, scores = moved(windows, offsets)[good], scores[good]
            kept = suppress(boxes, scores, 0.7, "union" if side == 24 else "smaller")
            boxes, scores, windows = boxes[kept], scores[kept], windows[good][kept]
        share = shares[0][good][kept]
        size = (windows[:, 2:] - windows[:, :2])[:, None]
        points = windows[:, None, :2] + size * np.stack([share[:, :5], share[:, 5:]], axis=2) - 0.5
        return Detections.ordered(sides(boxes), scores.astype(np.float32), points.astype(np.float32))

    def _proposed(self, image: Image) -> tuple[np.ndarray, np.ndarray]:
        scale, all_boxes, all_scores = 12 / self.params.min_face, [np.zeros((0, 4))], [np.zeros(0)]
        while min(image.shape[:2]) * scale >= 12:
            height, width = (int(np.ceil(side * scale)) for side in image.shape[:2])
            small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            odds, offsets = self.pnet(_tensor(small[None]))
            probability = torch.sigmoid(odds[0]).numpy()
            down, right = np.nonzero(probability > self.params.thresholds[0])
            start = np.stack([right, down], axis=1) * 2.0
            boxes = moved(np.concatenate([start, start + 12], axis=1), offsets[0].numpy()[:, down, right].T) / scale
            kept = suppress(boxes, probability[down, right], 0.5)
            all_boxes.append(boxes[kept])
            all_scores.append(probability[down, right][kept])
            scale *= self.params.scale_factor
        boxes, scores = np.concatenate(all_boxes), np.concatenate(all_scores)
        kept = suppress(boxes, scores, 0.7)
        return boxes[kept], scores[kept]

    @staticmethod
    def _crops(image: Image, boxes: np.ndarray, side: int) -> torch.Tensor:
        crops = np.full((len(boxes), side, side, 3), 128, np.uint8)
        for crop, (left, top, right, bottom) in zip(crops, boxes.round().astype(int), strict=True):
            full = np.full((max(bottom - top, 1), max(right - left, 1), 3), 128, np.uint8)
            y, x = max(top, 0), max(left, 0)
            part = image[y : max(bottom, 0), x : max(right, 0)]
            full[y - top : y - top + part.shape[0], x - left : x - left + part.shape[1]] = part
            crop[:] = cv2.resize(full, (side, side), interpolation=cv2.INTER_AREA)
        return _tensor(crops)


def _tensor(pixels: np.ndarray) -> torch.Tensor:
    return normalised(pixels, "cpu").contiguous()
