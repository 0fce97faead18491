"""The router: what ails a face is estimated, and the repair is applied that validation faces showed best for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from deepfake_pipeline.models.degradation_classifier import DegradationClassifierConfig
from deepfake_pipeline.models.run import EnhancerRunner, NetworkRunner
from deepfake_pipeline.models.store import load_network, network_bytes
from deepfake_pipeline.restore import REPAIRS
from deepfake_pipeline.restore.base import Image, Repair, rounded
from deepfake_pipeline.restore.choices import NETWORK, NETWORKS, NOTHING, RELIT, Cell, Choices
from deepfake_pipeline.restore.tiles import TILE, few_starts, in_tiles, repaired

Chances = NDArray[np.float32]
Filter = Callable[[str, NDArray[np.uint8]], NDArray[np.uint8]]


def filtered(name: str, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures ``(N, H, W, 3)``, at least one, through a classical repair."""
    return np.stack([REPAIRS[name].apply(picture) for picture in pictures])


@dataclass(frozen=True)
class Router:
    """A classifier, an enhancer, and what validation found; picklable, so that workers can be given one.

    Attributes:
        classifier: the network, as safetensors.
        enhancer: the network, as safetensors.
        choices: None as long as validation is under way; :meth:`repair` needs them.
        repairs: the classical ones, by name.
        accelerator: auto, cpu or cuda.
    """

    classifier: bytes
    enhancer: bytes
    choices: Choices | None
    repairs: Mapping[str, Repair]
    accelerator: str = "auto"

    @classmethod
    def of(
        cls,
        classifier: nn.Module,
        enhancer: nn.Module,
        choices: Choices | None = None,
        repairs: Mapping[str, Repair] = REPAIRS,
        accelerator: str = "auto",
    ) -> Router:
        """A router of networks as they are in memory."""
        return cls(network_bytes(classifier), network_bytes(enhancer), choices, dict(repairs), accelerator)

    def __getstate__(self) -> dict[str, Any]:
        runners = ("_classifier", "_enhancer")
        return {name: value for name, value in self.__dict__.items() if name not in runners}

    @cached_property
    def _classifier(self) -> ClassifierRunner:
        return ClassifierRunner(load_network(self.classifier), self.accelerator)

    @cached_property
    def _enhancer(self) -> EnhancerRunner:
        return EnhancerRunner(load_network(self.enhancer), self.accelerator)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """What is told apart, in the order of :meth:`chances`."""
        return self._classifier.config.cells

    def chances(self, pictures: NDArray[np.uint8]) -> Chances:
        """Chance ``(N, C)`` of each degradation and severity, of pictures uint8 ``(N, H, W, 3)``."""
        return self._classifier.chances(pictures)

    def enhanced(self, pictures: NDArray[np.uint8], chances: Chances, filtered: Filter = filtered) -> NDArray[np.uint8]:
        """What the network makes of pictures ``(N, H, W, 3)``.

        A conditional one is told what probably ails them; one that follows gets what the repair made for that leaves.

        Args:
            pictures: of one size.
            chances: ``(N, C)``, of what ails them.
            filtered: does the repairs that the network follows, as :func:`filtered`.
        """
        told = self._told(chances)
        if told is None:
            return self._enhancer.enhance(pictures)
        followed = np.array([self._followed(row) for row in told])
        before = pictures.copy()
        for name in set(followed) - {NOTHING}:
            rows = followed == name
            before[rows] = filtered(name, pictures[rows])
        return self._enhancer.enhance(before, told)

    def _told(self, chances: Chances) -> Chances | None:
        """What the network is told ``(N, K)``; None if it is blind."""
        conditions = tuple(self._enhancer.network.config.conditions)
        return condition_of(chances, self.cells, conditions) if conditions else None

    def _followed(self, told: Chances) -> str:
        """Name of the repair that a network which is told ``(K,)`` follows."""
        config = self._enhancer.network.config
        return config.repairs[told.argmax()] if config.repairs and told.any() else NOTHING

    @property
    def networks(self) -> tuple[str, ...]:
        """The repairs that its networks make."""
        return NETWORKS if self._classifier.config.light else (NETWORK,)

    def apply(self, name: str, picture: Image, chances: Chances) -> Image:
        """One repair of one picture (H, W, 3), of which ``chances`` ``(C,)`` are known."""
        if name == NETWORK:
            return self.enhanced(picture[None], chances[None])[0]
        if name == RELIT:
            return self._classifier.relit(picture)
        return self.repairs[name].apply(picture)

    def choose(self, chances: Chances) -> list[str]:
        """Name of the repair for each of ``(N, C)``.

        Raises:
            ValueError: the router has no choices yet.
        """
        if self.choices is None:
            raise ValueError("this router has no choices: it has to be tried on validation faces first")
        return self.choices.best(chances)

    def enhance(self, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """What the network makes of pictures uint8 ``(N, H, W, 3)``, each told what the classifier takes it for."""
        return self.enhanced(pictures, self.chances(pictures))

    def repair(self, picture: Image, name: str | None = None, chances: Chances | None = None) -> Image:
        """The picture repaired: a new array of RGB uint8 (H, W, 3), of any size from 16 px.

        A large picture is looked at and repaired in tiles, all of them in the same way; only repairs that judge a part
        by the whole, as of shadows, are done to the whole at once.

        Args:
            picture: RGB uint8 (H, W, 3).
            name: of the repair; None = the one that validation showed best for what seems to ail the picture.
            chances: ``(C,)``, of what ails it; None = what :meth:`diagnose` says.
        """
        chances = self.diagnose(picture) if chances is None else chances
        chosen = name or self.choose(chances[None])[0]
        if chosen == RELIT:  # a shadow lies on the whole picture
            return self._classifier.relit(picture)
        if chosen != NETWORK:
            return repaired(picture, self.repairs[chosen])
        told = self._told(chances[None])
        if told is None:
            return in_tiles(picture, lambda tile: self._enhancer.enhance(tile[None])[0])
        before = repaired(picture, REPAIRS[self._followed(told[0])])
        return in_tiles(before, lambda tile: self._enhancer.enhance(tile[None], told)[0])

    def settled(self, pictures: Iterable[Image], name: str | None = None) -> Callable[[Image], Image]:
        """One repair for all that is like some pictures, as frames of a video are: by the mean of their chances.

        What each frame chose for itself would flicker where two repairs promise about the same.

        Args:
            pictures: RGB uint8 (H, W, 3), at least one; one is in memory at a time.
            name: as of :meth:`repair`.
        """
        chances = np.asarray(np.mean([self.diagnose(picture) for picture in pictures], axis=0), np.float32)
        return partial(self.repair, name=name or self.choose(chances[None])[0], chances=chances)

    def diagnose(self, picture: Image) -> Chances:
        """Chance ``(C,)`` of each degradation and severity of a picture (H, W, 3): the mean over at most nine tiles."""
        height, width = picture.shape[:2]
        corners = product(few_starts(height), few_starts(width))
        tiles = [picture[top : top + TILE, left : left + TILE] for top, left in corners]
        return np.asarray(np.mean([self.chances(tile[None])[0] for tile in tiles], axis=0), np.float32)


class ClassifierRunner(NetworkRunner):
    """Tells what ails pictures, in float32."""

    @property
    def config(self) -> DegradationClassifierConfig:
        """What is told apart."""
        config: Any = self.network.config
        known: DegradationClassifierConfig = config
        return known

    @torch.inference_mode()
    def chances(self, pictures: NDArray[np.uint8]) -> Chances:
        """``(N, C)`` of uint8 ``(N, H, W, 3)``."""
        parts = [self.network(batch).cells.softmax(dim=1).cpu().numpy() for batch in self.batches(pictures, None)]
        return np.concatenate(parts)

    @torch.inference_mode()
    def relit(self, picture: Image) -> Image:
        """A picture RGB uint8 (H, W, 3), of any size, without the shadow that is estimated on a thumbnail of it."""
        side, (height, width) = self.network.light.config.side, picture.shape[:2]
        (batch,) = self.batches(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)[None], None)
        shade, relit = self.network.light(batch), np.empty_like(picture)
        for top in range(0, height, TILE):
            rows = slice(top, top + TILE)
            missing = shade.missing(height, width, rows)[0].cpu().numpy()
            relit[rows] = rounded(picture[rows] * np.exp(missing)[..., None])
        return relit


def condition_of(chances: Chances, cells: Sequence[Cell], conditions: Sequence[str]) -> Chances:
    """What a conditional network is told: of the likeliest degradation its expected severity / 5, else 0.

    Args:
        chances: ``(N, C)``.
        cells: the C degradations and severities.
        conditions: the K degradations that the network knows.

    Returns:
        float32 ``(N, K)``; all zero where no degradation, or one unknown to the network, is likeliest.
    """
    told = np.zeros((len(chances), len(conditions)), np.float32)
    names, severity = told_of(chances, cells)
    for row, name in enumerate(names):
        if name in conditions:
            told[row, list(conditions).index(name)] = severity[row] / 5
    return told


def told_of(chances: Chances, cells: Sequence[Cell]) -> tuple[list[str], NDArray[np.float64]]:
    """The likeliest degradation of each face, and the severity in [0, 5] that is expected if it is that one."""
    names = list(dict.fromkeys(name for name, _ in cells))
    member = np.array([[cell == name for name in names] for cell, _ in cells], np.float64)
    steps = np.array([severity for _, severity in cells], np.float64)
    of_name = chances.astype(np.float64) @ member
    likeliest = of_name.argmax(axis=1)
    rows = np.arange(len(chances))
    severity = ((chances * steps) @ member)[rows, likeliest] / np.maximum(of_name[rows, likeliest], 1e-12)
    return [names[number] for number in likeliest], severity
