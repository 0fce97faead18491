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

from deepfake_pipeline.tables.ids import stable_seed


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
        """Pictures and targets of the samples ``rows``; targets are a tensor, or a tuple of them."""
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
        generator=torch.Generator(),  # of its own: the global one is drawn from in training alone
    )
