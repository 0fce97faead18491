"""What a detector is fed: faces with their labels, some forged on the fly, some with the region that was altered."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepfake_pipeline.tables.ids import stable_seed, unit_hash
from deepfake_pipeline.tables.packed import PackedFaces

Picture = NDArray[np.uint8]

_SAME_FRAME = 12.0
"""Grey levels that the borders of two pictures differ by, at most, when they show one frame: outside of the face a
forgery differs from its original by compression alone."""
_FAINTEST = 6.0
"""Grey levels: where the largest difference of two pictures is smaller, compression alone may have made it."""
_UNALTERED, _ALTERED = 4.0, 12.0
"""Grey levels of difference under which nothing was altered, and over which something was; a share in between."""
_UNALTERED_SHARE, _ALTERED_SHARE = 0.15, 0.35
"""The same as shares of the largest difference, for forgeries that were painted faintly."""
_COARSE = 56
"""px: regions are found on pictures made this small, where compression has averaged out."""


class LabelledFaces:
    """Faces and their labels.

    Faces of a group come in one batch: a real face beside its own forgery leaves the forgery as the difference.
    """

    def __init__(self, faces: PackedFaces) -> None:
        self.faces = faces
        self.clusters: NDArray[Any] | None = faces.groups

    def __len__(self) -> int:
        return len(self.faces)

    def batch(self, rows: NDArray[np.intp], epoch: int) -> tuple[Tensor, Any]:
        """Pictures uint8 ``(N, H, W, 3)`` and labels float32 ``(N,)``."""
        order = np.sort(rows)  # ascending reads are faster from a memory map
        pictures = torch.from_numpy(self.faces.images[order])
        return pictures, torch.from_numpy(self.faces.labels[order].astype(np.float32))


class Blend(Protocol):
    """A forgery made from a real face, and the real face as it is seen beside it."""

    @property
    def image(self) -> Picture:
        """The forgery, uint8 ``(H, W, 3)``."""
        ...

    @property
    def target(self) -> Picture:
        """The real face, uint8 ``(H, W, 3)``."""
        ...


class Forger(Protocol):
    """Makes a forgery from a real face; its ``repr`` says how, as checkpoints are named by it."""

    def __call__(self, image: Picture, rng: np.random.Generator) -> Blend:
        """Forge the face uint8 ``(H, W, 3)``."""
        ...


class SelfBlendedFaces(LabelledFaces):
    """Faces and their labels, where forgeries of some groups give way to ones made from the groups' real faces.

    Which groups is drawn anew each epoch; the draws depend on (seed, epoch, group or face) alone.

    Args:
        faces: training faces.
        forger: makes a forgery from a real face.
        share: of the groups; those without a real face stay as they are.
        seed: of the draws.
    """

    def __init__(self, faces: PackedFaces, forger: Forger | None, share: float, seed: int) -> None:
        super().__init__(faces)
        self.forger, self.share, self.seed = forger, share, seed
        self.real_of: dict[bytes, list[int]] = {}
        for row in np.flatnonzero(faces.labels == 0):
            self.real_of.setdefault(bytes(faces.groups[row]), []).append(int(row))

    def batch(self, rows: NDArray[np.intp], epoch: int) -> tuple[Tensor, Any]:
        """Pictures uint8 ``(N, H, W, 3)`` and labels float32 ``(N,)``."""
        order = np.sort(rows)
        pictures, labels = super().batch(order, epoch)
        for place, blend in self.blends(order, epoch).items():
            pictures[place] = torch.from_numpy(blend.image if labels[place] else blend.target)
        return pictures, labels

    def blends(self, rows: NDArray[np.intp], epoch: int) -> dict[int, Blend]:
        """The blends that take the place of faces, by their places in ``rows``."""
        if self.forger is None:
            return {}
        made: dict[int, Blend] = {}
        placed: dict[int, Blend] = {}
        for place, row in enumerate(rows):
            group = bytes(self.faces.groups[row])
            real = self.real_of.get(group)
            if real is None or unit_hash("self-blend", self.seed, epoch, group) >= self.share:
                continue
            forged = bool(self.faces.labels[row])
            source = real[stable_seed("source", self.seed, epoch, row) % len(real)] if forged else int(row)
            if source not in made:
                rng = np.random.default_rng(stable_seed("blend", self.seed, epoch, source))
                made[source] = self.forger(np.asarray(self.faces.images[source]), rng)
            placed[place] = made[source]
        return placed


class Located(NamedTuple):
    """Targets of faces whose altered region is known.

    Attributes:
        labels: float32 ``(N,)``, 1 = forged.
        known: float32 ``(N,)``, 1 where the altered region is known; of a real face it is: nowhere. Of a forgery that
            hardly differs from its original it is not.
        alike: int64 ``(N,)``, number of the face's group in the batch: what is changed alike.
    """

    labels: Tensor
    known: Tensor
    alike: Tensor


class LocatedFaces(SelfBlendedFaces):
    """Faces, their labels, and where each forgery differs from the real face of the same frame.

    A forgery and its original, cut from one frame, differ where the forger was at work; Dang et al., "On the
    detection of digital face manipulation", CVPR 2020 (arXiv 1910.01717), teach a detector to point there. Where a
    group holds no real picture of the same frame, the region is unknown.

    Args:
        faces: training faces.
        forger: makes a forgery from a real face; None where ``self_blend_share`` is 0.
        self_blend_share: of the groups, as of :class:`SelfBlendedFaces`.
        partial_share: share of the forgeries of which only a part, with soft edges, is laid over the real face.
        seed: of the draws.
    """

    def __init__(
        self, faces: PackedFaces, forger: Forger | None, self_blend_share: float, partial_share: float, seed: int
    ) -> None:
        super().__init__(faces, forger, self_blend_share, seed)
        self.partial_share = partial_share
        self.original_of = {
            int(row): original
            for row in np.flatnonzero(faces.labels == 1)
            if (original := self._original(int(row))) is not None
        }

    def batch(self, rows: NDArray[np.intp], epoch: int) -> tuple[Tensor, Any]:
        """Pictures uint8 ``(N, H, W, 4)``, the last channel the altered share of a pixel, and :class:`Located`."""
        order = np.sort(rows)
        pictures = np.zeros((len(order), *self.faces.images.shape[1:3], 4), np.uint8)
        known = np.ones(len(order), np.float32)
        pictures[..., :3] = self.faces.images[order]
        blends = self.blends(order, epoch)
        for place, row in enumerate(order.tolist()):
            forged = bool(self.faces.labels[row])
            if place in blends:
                blend = blends[place]
                pictures[place, ..., :3] = blend.image if forged else blend.target
                if forged:
                    pictures[place, ..., 3] = altered_share(blend.image, blend.target)
            elif row in self.original_of:
                original = np.asarray(self.faces.images[self.original_of[row]])
                rng = np.random.default_rng(stable_seed("partial", self.seed, epoch, row))
                if rng.random() < self.partial_share:
                    pictures[place, ..., :3] = partly_forged(pictures[place, ..., :3], original, rng)
                pictures[place, ..., 3] = altered_share(pictures[place, ..., :3], original)
                known[place] = pictures[place, ..., 3].any()
            elif forged:
                known[place] = 0
        _, alike = np.unique(self.faces.groups[order], return_inverse=True)
        labels = self.faces.labels[order].astype(np.float32)
        return torch.from_numpy(pictures), Located(
            torch.from_numpy(labels), torch.from_numpy(known), torch.from_numpy(alike.astype(np.int64))
        )

    def _original(self, forged: int) -> int | None:
        """The real face of the same frame."""
        picture = np.asarray(self.faces.images[forged])
        gaps = {
            row: _border_gap(picture, np.asarray(self.faces.images[row]))
            for row in self.real_of.get(bytes(self.faces.groups[forged]), [])
        }
        best = min(gaps, key=lambda row: (gaps[row], row), default=None)
        return best if best is not None and gaps[best] < _SAME_FRAME else None


def altered_share(forgery: Picture, original: Picture) -> NDArray[np.uint8]:
    """How much of each pixel was altered: 0 to 255; 0 everywhere where the two hardly differ.

    The difference is smoothed, so that what compression does to single pixels is not taken for an alteration and a
    painted region has no holes where old and new look alike; where the largest one is small, less counts already.

    Args:
        forgery: uint8 ``(H, W, 3)``.
        original: the same frame, of the same size.
    """
    height, width = forgery.shape[:2]
    shrink = max(round(max(height, width) / _COARSE), 1)
    small = max(width // shrink, 1), max(height // shrink, 1)
    gap = cv2.absdiff(*(cv2.resize(picture, small, interpolation=cv2.INTER_AREA) for picture in (forgery, original)))
    smooth = cv2.GaussianBlur(gap.astype(np.float32).mean(2), (0, 0), max(small) / 40)
    most = float(smooth.max())
    if most < _FAINTEST:
        return np.zeros((height, width), np.uint8)
    low, high = min(_UNALTERED, _UNALTERED_SHARE * most), min(_ALTERED, _ALTERED_SHARE * most)
    share = np.clip((smooth - low) / (high - low), 0, 1)
    return np.asarray(cv2.resize(np.round(255 * share).astype(np.uint8), (width, height)))


def partly_forged(forgery: Picture, original: Picture, rng: np.random.Generator) -> Picture:
    """The original with a part of the forgery laid over it, through one or two soft ellipses.

    At least a quarter of the difference stays; where the draw leaves less, the whole forgery.

    Args:
        forgery: uint8 ``(H, W, 3)``.
        original: the same frame, of the same size.
        rng: all that is drawn comes from it.
    """
    height, width = forgery.shape[:2]
    share = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(1, 3))):
        middle = (width * rng.uniform(0.28, 0.72), height * rng.uniform(0.25, 0.77))
        half_axes = (width * rng.uniform(0.08, 0.31), height * rng.uniform(0.06, 0.27))
        ellipse = (middle, (2 * half_axes[0], 2 * half_axes[1]), rng.uniform(0, 180))
        cv2.ellipse(share, ellipse, 1.0, -1)
    share = cv2.GaussianBlur(share, (0, 0), max(height, width) * rng.uniform(0.01, 0.04))
    gap = forgery.astype(np.float32) - original
    strength = np.abs(gap).sum(2)
    if (strength * share).sum() < 0.25 * strength.sum():
        return forgery
    return np.clip(np.rint(original + gap * share[..., None]), 0, 255).astype(np.uint8)


def _border_gap(first: Picture, second: Picture) -> float:
    """Mean absolute difference of the outermost twentieth of two pictures, in grey levels."""
    gap = np.abs(first.astype(np.int16) - second).mean(2)
    inner = np.zeros(gap.shape, bool)
    edge = max(min(gap.shape) // 20, 1)
    inner[edge:-edge, edge:-edge] = True
    return float(gap[~inner].mean())
