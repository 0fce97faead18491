"""Labels, probabilities and weights for property tests: ties, few faces, weights of 0."""

from typing import NamedTuple

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from numpy.typing import NDArray


class Case(NamedTuple):
    labels: NDArray[np.int64]
    probability: NDArray[np.float64]
    weights: NDArray[np.float64]


@st.composite
def cases(draw: st.DrawFn, both_classes: bool = True) -> Case:
    size = draw(st.integers(2, 30))
    steps = draw(st.sampled_from([1, 3, 10, 10_000]))  # few steps: many ties, and exact 0 and 1
    labels = np.array(draw(st.lists(st.integers(0, 1), min_size=size, max_size=size)))
    grid = np.array(draw(st.lists(st.integers(0, steps), min_size=size, max_size=size)))
    weights = np.array(draw(st.lists(st.sampled_from([0, 0.5, 1, 1, 2, 3]), min_size=size, max_size=size)))
    if both_classes:
        assume(weights[labels == 0].sum() > 0 and weights[labels == 1].sum() > 0)
    return Case(labels, grid / steps, weights.astype(np.float64))


def clustered(groups: int, seed: int, shared: float = 0.8) -> tuple[Case, NDArray[np.str_]]:
    """A real and a forged face in each group, whose scores share a part of their noise."""
    rng = np.random.default_rng(seed)
    labels = np.tile([0, 1], groups)
    noise = np.repeat(rng.normal(size=groups), 2) * shared
    score = 1.5 * labels + noise + rng.normal(size=2 * groups) * np.sqrt(1 - shared**2)
    names = np.repeat([f"video{number:05d}" for number in range(groups)], 2)
    return Case(labels, 1 / (1 + np.exp(-1.5 * (score - 0.75))), np.ones(2 * groups)), names
