"""Fits the packaged face descriptor on rendered people and tries it on others: `python -m benchmarks.descriptor`.

With `--write` the result replaces the one of the package; without, its AUROC is printed beside the packaged one's.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepfake_pipeline.engine import progress, tune_malloc, use_threads
from deepfake_pipeline.faces.align import aligning, warp
from deepfake_pipeline.faces.describe import (
    PACKAGED,
    FaceDescriptor,
    Image,
    fit_descriptor,
    packaged_descriptor,
    save_descriptor,
)
from deepfake_pipeline.media.render import RenderParams, render_face
from deepfake_pipeline.metrics.classification import auroc

FITTED_ON, TRIED_ON = (11, 160), (12, 50)
"""Seed of the renderer and number of people; another seed gives other people, and the study's own is 0."""

PICTURES, RENDERED, SIDE, MARGIN, JITTER = 4, 128, 96, 0.15, 0.03
"""Pictures of each; px of a picture and of its crop; margin of the crop; landmark error as a share of their width."""


def rendered_people(seed: int, people: int) -> tuple[list[Image], list[int]]:
    """Aligned crops, as the face detector would make them, and whose they are."""
    params = RenderParams(identities=people, size=RENDERED, seed=seed)
    crops, owners = [], []
    for person in progress(range(people), f"people of seed {seed}", people):
        for index in range(PICTURES):
            face = render_face(person, index, params)
            error = np.random.default_rng([seed, person, index]).normal(0, 1, (5, 2))
            landmarks = face.landmarks + JITTER * np.ptp(face.landmarks[:, 0]) * error
            crops.append(warp(face.image, aligning(landmarks, SIDE, SIDE, MARGIN), SIDE, SIDE))
            owners.append(person)
    return crops, owners


def trial(descriptor: FaceDescriptor, crops: Sequence[Image], owners: Sequence[int]) -> dict[str, float]:
    """AUROC of the cosine for pairs of one person against pairs of two, with its interval over people."""
    vectors, owner = descriptor.describe(crops), np.asarray(owners)
    first, second = np.triu_indices(len(owner), 1)
    cosine, same = (vectors @ vectors.T)[first, second], (owner[first] == owner[second]).astype(int)

    def weights(counts: NDArray[np.float64]) -> NDArray[np.float64]:
        both = counts[:, owner[first]] * counts[:, owner[second]]
        return np.where(same == 1, counts[:, owner[first]], both)

    people, rng = int(owner.max()) + 1, np.random.default_rng(0)
    drawn = rng.multinomial(people, np.full(people, 1 / people), size=1000).astype(np.float64)
    samples = np.concatenate([auroc(same, cosine, weights(part)) for part in np.array_split(drawn, 100)])
    low, high = np.quantile(samples, [0.025, 0.975])
    figures = {"auroc": float(auroc(same, cosine)), "low": float(low), "high": float(high)}
    return {**figures, "people": people, "pictures": len(owner)}


def main(write: bool = False) -> None:
    use_threads(1)
    tune_malloc()
    fitted, tried = rendered_people(*FITTED_ON), rendered_people(*TRIED_ON)
    plain = fit_descriptor(*fitted, trial={})
    found = trial(plain, *tried)
    print(f"fitted now: same-person AUROC {found}")
    if write:
        save_descriptor(FaceDescriptor(plain.mean, plain.projection, found), PACKAGED)
    print(f"packaged:   same-person AUROC {dict(packaged_descriptor().trial)}")


if __name__ == "__main__":
    main("--write" in sys.argv[1:])
