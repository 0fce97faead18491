"""Against the blocks and ringing of JPEG."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from deepfake_pipeline.restore.base import Image, Plane, Repair, rounded
from deepfake_pipeline.restore.estimate import chroma_steps, jpeg_quality, luma_steps


@dataclass(frozen=True)
class JpegDeblocking(Repair):
    """Shifted cosine transforms: blocks at other places than the codec's tell its errors from the picture.

    At each of many shifts the small coefficients of 8 x 8 blocks are dropped and the results averaged (Nosratinia 2001,
    "Enhancement of JPEG-compressed images by re-application of JPEG"), dropping instead of quantising again, and with
    a block's weight falling with the number of coefficients it keeps (Guleryuz 2006, "Nonlinear approximation based
    image recovery using adaptive sparse reconstructions"). Chroma is treated at half size, as the codec stores it.

    Args:
        threshold: below which coefficients are dropped, in quantisation steps.
        stride: of the shifts, in px: 1, 2 or 4; 1 averages 64 results.
        quality: of libjpeg, with which the image was saved; None reads it off the image, and one that shows no blocks
            from its top left corner on stays as it is.
    """

    threshold: float = 0.5
    stride: int = 1
    quality: int | None = None

    def _repair(self, image: Image) -> Image:
        quality = jpeg_quality(image) if self.quality is None else self.quality
        if quality is None:
            return image.copy()
        planes = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2YCrCb)
        planes[..., 0] = self._smooth(np.ascontiguousarray(planes[..., 0]), luma_steps(quality))
        height, width = image.shape[:2]
        for channel in (1, 2):
            half = cv2.resize(
                planes[..., channel], (-(-width // 2), -(-height // 2)), interpolation=cv2.INTER_AREA
            ).astype(np.float32, copy=False)
            change = self._smooth(half, chroma_steps(quality)) - half
            planes[..., channel] += cv2.resize(change, (width, height), interpolation=cv2.INTER_LINEAR)
        return rounded(cv2.cvtColor(planes, cv2.COLOR_YCrCb2RGB))

    def _smooth(self, plane: Plane, steps: Plane) -> Plane:
        """Weighted mean over the shifts; columns of blocks are transformed once for all shifts along the rows."""
        height, width = plane.shape
        rows, columns = -(-height // 8) + 1, -(-width // 8) + 1
        below, beyond = 8 * rows - height, 8 * columns - width
        around = cv2.copyMakeBorder(plane, 8, below, 8, beyond, cv2.BORDER_REFLECT)
        smallest = np.float32(self.threshold) * steps
        smallest[0, 0] = 0  # the mean of a block stays
        across = 8 * columns
        least = np.tile(smallest, columns)
        total, weight = np.zeros_like(around), np.zeros_like(around)
        for down in range(0, 8, self.stride):
            strip = slice(down, down + 8 * rows)
            vertical = _BASIS @ around[strip].reshape(rows, 8, -1)
            kept = np.zeros_like(vertical)
            of_rows = np.zeros((rows, vertical.shape[2]), np.float32)
            for along in range(0, 8, self.stride):
                span = slice(along, along + across)
                # one product of two matrices: numpy would multiply a stack of blocks one by one
                blocks = (vertical[..., span].reshape(-1, 8) @ _BASIS.T).reshape(rows, 8, across)
                large = np.abs(blocks) >= least
                count = large.sum(axis=1, dtype=np.uint8).reshape(rows, columns, 8).sum(axis=2, dtype=np.float32)
                share = np.repeat(1 / count, 8, axis=1)
                blocks *= large
                blocks *= share[:, None, :]
                kept[..., span] += (blocks.reshape(-1, 8) @ _BASIS).reshape(rows, 8, across)
                of_rows[:, span] += share
            total[strip] += (_BASIS.T @ kept).reshape(8 * rows, -1)
            weight[strip] += np.repeat(of_rows, 8, axis=0)
        inside = slice(8, 8 + height), slice(8, 8 + width)
        return total[inside] / weight[inside]


def _cosine_basis() -> Plane:
    """Rows are the eight orthonormal cosines of the codec."""
    angles = np.outer(np.arange(8), 2 * np.arange(8) + 1) * (np.pi / 16)
    basis = np.cos(angles) * np.sqrt(np.where(np.arange(8) == 0, 1, 2) / 8)[:, None]
    return basis.astype(np.float32)


_BASIS = _cosine_basis()
