"""Feeding networks: what the samples of an epoch are, in which order, and how they are drawn.

An epoch's order and every random change depend on (seed, epoch, position) alone, never on how many workers load
or where a run was interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from deepfake_pipeline.tables.ids import stable_seed, unit_hash
from deepfake_pipeline.tables.packed import PackedFaces


class Feed(Protocol):
    """Gives the batches of an epoch: uint8 pictures ``(N, H, W, 3)`` and what they should become.

    Attributes:
        clusters: ``(N,)``, samples of one value stay together in shuffled batches; None shuffles each by itself.
    """

    clusters: NDArray[Any] | None

    def __len__(self) -> int:
        """Number of samples an epoch."""
        ...

    def batch(self, rows: NDArray[np.intp], epoch: int) -> tuple[Tensor, Any]:
        """Pictures and targets of the samples ``rows``."""
        ...


class Wanted(NamedTuple):
    """What degraded pictures should become, and what is known of them.

    Attributes:
        clean: uint8 ``(N, H, W, 3)``.
        condition: float32 ``(N, K)``: severity over 5 of the degradation that a picture has, one of K, else 0; all
            zeros where it is not told.
    """

    clean: Tensor
    condition: Tensor


class LabelledFaces:
    """Faces and their labels, for a detector.

    Faces of a group come in one batch: a real face beside its own forgery leaves the forgery as the difference.
    """

    def __init__(self, faces: PackedFaces) -> None:
        self.faces = faces
        self.clusters: NDArray[Any] | None = faces.groups

    def __len__(self) -> int:
        return len(self.faces)

    def batch(self, rows: NDArray[np.intp], epoch: int) -> tuple[Tensor, Tensor]:
        """Pictures uint8 ``(N, H, W, 3)`` and labels float32 ``(N,)``."""
        order = np.sort(rows)  # ascending reads are faster from a memory map
        pictures = torch.from_numpy(self.faces.images[order])
        return pictures, torch.from_numpy(self.faces.labels[order].astype(np.float32))


class Blend(Protocol):
    """A forgery made from a real face, and the real face as it is seen beside it; both uint8 ``(H, W, 3)``."""

    @property
    def image(self) -> NDArray[np.uint8]:
        """The forgery."""
        ...

    @property
    def target(self) -> NDArray[np.uint8]:
        """The real face."""
        ...


class Forger(Protocol):
    """Makes a forgery from a real face; its ``repr`` says how, as checkpoints are named by it."""

    def __call__(self, image: NDArray[np.uint8], rng: np.random.Generator) -> Blend:
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

    def __init__(self, faces: PackedFaces, forger: Forger, share: float, seed: int) -> None:
        super().__init__(faces)
        self.forger, self.share, self.seed = forger, share, seed
        self.real_of: dict[bytes, list[int]] = {}
        for row in np.flatnonzero(faces.labels == 0):
            self.real_of.setdefault(bytes(faces.groups[row]), []).append(int(row))

    def batch(self, rows: NDArray[np.intp], epoch: int) -> tuple[Tensor, Tensor]:
        """Pictures uint8 ``(N, H, W, 3)`` and labels float32 ``(N,)``."""
        pictures, labels = super().batch(rows, epoch)
        made: dict[int, Blend] = {}
        for place, row in enumerate(np.sort(rows)):
            group = bytes(self.faces.groups[row])
            real = self.real_of.get(group)
            if real is None or unit_hash("self-blend", self.seed, epoch, group) >= self.share:
                continue
            forged = bool(labels[place])
            source = real[stable_seed("source", self.seed, epoch, row) % len(real)] if forged else int(row)
            if source not in made:
                rng = np.random.default_rng(stable_seed("blend", self.seed, epoch, source))
                made[source] = self.forger(np.asarray(self.faces.images[source]), rng)
            pictures[place] = torch.from_numpy(made[source].image if forged else made[source].target)
        return pictures, labels


class _EpochBatches(Dataset[tuple[Tensor, Any]]):
    """The batches of one epoch, addressed by their number."""

    def __init__(self, feed: Feed, batches: Sequence[NDArray[np.intp]], epoch: int) -> None:
        self.feed, self.batches, self.epoch = feed, batches, epoch

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, number: int) -> tuple[Tensor, Any]:
        return self.feed.batch(self.batches[number], self.epoch)


def epoch_order(count: int, draw: int, seed: int, epoch: int, clusters: NDArray[Any] | None = None) -> NDArray[np.intp]:
    """The samples of an epoch in order: ``draw`` of ``count`` (all when 0), each as often as any other ±1.

    Samples of one cluster follow one another.
    """
    rng = np.random.default_rng(stable_seed("order", seed, epoch))
    wanted = draw or count
    rounds = [_shuffled(count, clusters, rng) for _ in range(-(-wanted // count))]
    return np.concatenate(rounds)[:wanted]


def _shuffled(count: int, clusters: NDArray[Any] | None, rng: np.random.Generator) -> NDArray[np.intp]:
    order = rng.permutation(count)
    if clusters is None:
        return order
    _, member = np.unique(clusters, return_inverse=True)
    place = rng.permutation(int(member.max()) + 1)
    return order[np.argsort(place[member[order]], kind="stable")]


def loader(
    feed: Feed, batch_size: int, *, epoch: int = 0, draw: int = 0, seed: int | None = None, workers: int = 0
) -> DataLoader[tuple[Tensor, Any]]:
    """Batches of one epoch: shuffled when a seed is given, else in order.

    A last batch of a single face is left out when shuffled: batch normalisation cannot train on it.
    """
    order = np.arange(len(feed)) if seed is None else epoch_order(len(feed), draw, seed, epoch, feed.clusters)
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    if seed is not None and len(batches) > 1 and len(batches[-1]) == 1:
        batches.pop()
    return DataLoader(
        _EpochBatches(feed, batches, epoch),
        batch_size=None,
        num_workers=workers,
        multiprocessing_context="spawn" if workers else None,
        pin_memory=torch.cuda.is_available(),
    )
