"""Feeding the estimator of shadows: thumbnails of faces, most of them in a shadow whose map is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepfake_pipeline.degrade.shadow import Shadow
from deepfake_pipeline.tables.ids import stable_seed
from deepfake_pipeline.tables.packed import PackedFaces

Maps = NDArray[np.float32]


class FreshlyShaded:
    """Thumbnails of faces in freshly drawn shadows, and the logarithm of what their light lost; repeatable.

    A shadow's lengths are shares of the picture's side, so that a thumbnail can be shaded as well as the face.

    Args:
        faces: clean faces.
        side: of the thumbnails, in px.
        severities: that shadows are drawn from.
        clean_share: share of the samples without a shadow.
        seed: of the draws.
        fixed: the same shadows in every epoch, as validation wants them.
    """

    def __init__(
        self,
        faces: PackedFaces,
        side: int,
        severities: Sequence[int],
        clean_share: float,
        seed: int,
        fixed: bool = False,
    ) -> None:
        self.clusters: NDArray[Any] | None = None
        self.faces, self.side, self.severities = faces, side, tuple(severities)
        self.clean_share, self.seed, self.fixed = clean_share, seed, fixed

    def __len__(self) -> int:
        return len(self.faces)

    def batch(self, rows: NDArray[np.intp], epoch: int) -> tuple[Tensor, Tensor]:
        """Thumbnails uint8 ``(N, side, side, 3)`` and what they lost, float32 ``(N, side, side)``, from 0."""
        # An epoch may draw a face several times: each time it lies in another shadow.
        samples = [self._sample(int(row), 0 if self.fixed else place, epoch) for place, row in enumerate(rows)]
        thumbnails, missing = zip(*samples, strict=True)
        return torch.from_numpy(np.stack(thumbnails)), torch.from_numpy(np.stack(missing))

    def _sample(self, row: int, place: int, epoch: int) -> tuple[NDArray[np.uint8], Maps]:
        rng = np.random.default_rng(stable_seed("shade", self.seed, 0 if self.fixed else epoch, row, place))
        face = np.asarray(self.faces.images[row])
        thumbnail = cv2.resize(face, (self.side, self.side), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        if rng.random() < 0.5:
            thumbnail = np.ascontiguousarray(thumbnail[:, ::-1])
        if rng.random() < self.clean_share:
            return thumbnail, np.zeros(thumbnail.shape[:2], np.float32)
        shadow = Shadow.draw(float(rng.choice(self.severities)), rng)
        return shadow.apply(thumbnail, rng), -np.log(shadow.gain(self.side, self.side))
