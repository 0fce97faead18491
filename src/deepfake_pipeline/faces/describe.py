"""Whose face it is, as a vector: for asking whether a repair leaves a person recognisable. It identifies nobody."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Vectors = NDArray[np.float32]

PACKAGED = Path(__file__).with_name("descriptor.safetensors")
DIMENSIONS = 80

_SIDE, _CELL, _PATCHES = 64, 16, 8
_HOG_WEIGHT, _COLOUR_WEIGHT = 0.5, 0.01  # bring both parts to about the same length
_SHRINKAGE = 0.03


@dataclass(frozen=True)
class FaceDescriptor:
    """Oriented gradients and the colours of patches, projected so that pictures of one person come close.

    HOG of Dalal and Triggs 2005 (cells of 16 px of a face of 64 px) and Lab colour of 8 x 8 patches; the projection
    keeps the first principal components and divides by the spread within a person (the classic linear discriminant).
    Meant for aligned crops of faces.

    Attributes:
        mean: float32 ``(F,)``.
        projection: float32 ``(F, DIMENSIONS)``.
        trial: how well it told people apart that it was not fitted on; see :func:`packaged_descriptor`.
    """

    mean: Vectors
    projection: Vectors
    trial: Mapping[str, Any]

    def describe(self, images: Sequence[Image]) -> Vectors:
        """Vectors ``(N, DIMENSIONS)`` of length 1.

        Args:
            images: RGB uint8 (H, W, 3) of any sizes, each a face that fills it.
        """
        raw = np.stack([features(image) for image in images])
        vectors = (raw - self.mean) @ self.projection
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)


def features(image: Image) -> Vectors:
    """What the descriptor is a projection of: float32 ``(F,)``."""
    small = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    hog = _hog().compute(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)).ravel()  # type: ignore[attr-defined]
    patches = cv2.resize(image, (_PATCHES, _PATCHES), interpolation=cv2.INTER_AREA).astype(np.float32) / np.float32(255)
    colour = cv2.cvtColor(patches, cv2.COLOR_RGB2LAB).ravel()
    return np.concatenate([hog * np.float32(_HOG_WEIGHT), colour * np.float32(_COLOUR_WEIGHT)])


def fit_descriptor(images: Sequence[Image], people: Sequence[int], trial: Mapping[str, Any]) -> FaceDescriptor:
    """The descriptor under which pictures of one person lie closest, against those of others.

    Args:
        images: as of :meth:`FaceDescriptor.describe`, several of each person.
        people: ``(N,)``, number of the person.
        trial: what is to be remembered of its test.
    """
    raw = np.stack([features(image) for image in images]).astype(np.float64)
    mean = raw.mean(axis=0)
    _, _, axes = np.linalg.svd(raw - mean, full_matrices=False)
    kept = axes[:DIMENSIONS].T
    seen, numbers = (raw - mean) @ kept, np.asarray(people)
    apart = np.concatenate([seen[numbers == one] - seen[numbers == one].mean(axis=0) for one in np.unique(numbers)])
    within = apart.T @ apart / len(apart)
    within += _SHRINKAGE * np.trace(within) / len(within) * np.eye(len(within))
    projection = kept @ np.linalg.cholesky(np.linalg.inv(within))
    return FaceDescriptor(mean.astype(np.float32), projection.astype(np.float32), dict(trial))


def save_descriptor(descriptor: FaceDescriptor, path: Path) -> None:
    """Write it as safetensors: equal bytes for equal numbers."""
    from safetensors.numpy import save

    header = {"descriptor": json.dumps(dict(descriptor.trial), sort_keys=True)}
    path.write_bytes(save({"mean": descriptor.mean, "projection": descriptor.projection}, header))


@cache
def packaged_descriptor() -> FaceDescriptor:
    """The descriptor of the package, fitted on rendered people by ``benchmarks/descriptor.py``.

    Its ``trial`` says how well it tells rendered people apart that it was not fitted on: ``auroc`` of same-person
    against other pairs by the cosine, ``low`` and ``high`` of its 95 % interval over people, ``people``, ``pictures``.
    """
    from safetensors import safe_open

    with safe_open(PACKAGED, "numpy") as file:
        trial = json.loads(file.metadata()["descriptor"])
        return FaceDescriptor(file.get_tensor("mean"), file.get_tensor("projection"), trial)


@cache
def _hog() -> cv2.HOGDescriptor:
    return cv2.HOGDescriptor((_SIDE, _SIDE), (2 * _CELL, 2 * _CELL), (_CELL, _CELL), (_CELL, _CELL), 9)
