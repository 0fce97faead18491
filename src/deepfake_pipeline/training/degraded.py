"""Feeding a detector faces that are degraded afresh: what a detector has to learn to be good on poor pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepfake_pipeline.degrade import Recipe, apply_chain, random_chain, random_recipe
from deepfake_pipeline.tables.ids import stable_seed, unit_hash
from deepfake_pipeline.training.feed import Feed


class DegradedFaces:
    """Another feed's faces, some of them degraded, with their labels as they were.

    All faces of a cluster are degraded alike, so that beside a real face its forgery still differs by the forgery
    alone; what is drawn depends on (seed, epoch, cluster), or on the face where the feed has no clusters.

    Args:
        feed: gives pictures uint8 ``(N, H, W, 3)``, or with further channels, which stay, and targets.
        degradations: names of the degradations to draw from.
        severities: severities to draw from, 1 to 5.
        share: of the clusters that are degraded in an epoch.
        chain_share: of those that go through a chain of degradations, and not through one.
        seed: of the draws.
    """

    def __init__(
        self,
        feed: Feed,
        degradations: Sequence[str],
        severities: Sequence[int],
        share: float,
        chain_share: float,
        seed: int,
    ) -> None:
        self.clusters: NDArray[Any] | None = feed.clusters
        self.feed, self.share, self.chain_share, self.seed = feed, share, chain_share, seed
        self.degradations, self.severities = tuple(degradations), tuple(severities)

    def __len__(self) -> int:
        return len(self.feed)

    def batch(self, rows: NDArray[np.intp], epoch: int) -> tuple[Tensor, Any]:
        """Pictures and targets of the feed, some of the pictures degraded."""
        order = np.sort(rows)  # feeds read in ascending order: sorted here, picture and row belong together
        pictures, targets = self.feed.batch(order, epoch)
        for place, row in enumerate(order):
            member = row if self.clusters is None else self.clusters[row]
            if unit_hash("degraded", self.seed, epoch, member) < self.share:
                chain = self._chain(epoch, member)
                degraded = apply_chain(chain, pictures[place, ..., :3].numpy())
                pictures[place, ..., :3] = torch.from_numpy(degraded)
        return pictures, targets

    def _chain(self, epoch: int, member: object) -> tuple[Recipe, ...]:
        rng = np.random.default_rng(stable_seed("degradation", self.seed, epoch, member))
        if rng.random() < self.chain_share:
            return random_chain(rng, self.degradations, self.severities)
        return (random_recipe(rng, self.degradations, self.severities),)
