"""Overlap and suppression against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepfake_pipeline.faces.boxes import corners, moved, overlap, sides, squared, suppress


def _random_boxes(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    start = rng.uniform(0, 60, (count, 2))
    boxes = np.concatenate([start, start + rng.uniform(5, 40, (count, 2))], axis=1)
    return boxes, rng.uniform(0, 1, count).round(2)  # rounded: some scores are equal


def _overlap_of(a: np.ndarray, b: np.ndarray, over: str) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area_a, area_b = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (area_a + area_b - width * height if over == "union" else min(area_a, area_b))


def _greedy(boxes: np.ndarray, scores: np.ndarray, threshold: float, over: str) -> list[int]:
    ranked = sorted(range(len(boxes)), key=lambda i: (-scores[i], *boxes[i]))
    kept: list[int] = []
    for candidate in ranked:
        if all(_overlap_of(boxes[candidate], boxes[better], over) <= threshold for better in kept):
            kept.append(candidate)
    return kept


@pytest.mark.parametrize("over", ["union", "smaller"])
def test_overlap_agrees_with_a_plain_loop(over: str) -> None:
    rng = np.random.default_rng(0)
    a, b = _random_boxes(rng, 30)[0], _random_boxes(rng, 20)[0]
    expected = [[_overlap_of(x, y, over) for y in b] for x in a]
    np.testing.assert_allclose(overlap(a, b, over), expected, atol=1e-12)


def test_empty_boxes_overlap_nothing() -> None:
    point = np.array([[3.0, 3.0, 3.0, 3.0]])
    assert overlap(point, point)[0, 0] == 0


@pytest.mark.parametrize("over", ["union", "smaller"])
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(0, 60), threshold=st.floats(0, 0.95))
def test_suppression_agrees_with_the_greedy_loop(over: str, seed: int, count: int, threshold: float) -> None:
    boxes, scores = _random_boxes(np.random.default_rng(seed), count)
    assert suppress(boxes, scores, threshold, over).tolist() == _greedy(boxes, scores, threshold, over)


def test_suppression_of_more_boxes_than_a_block_agrees_too() -> None:
    boxes, scores = _random_boxes(np.random.default_rng(1), 1300)
    boxes[:, [0, 2]] += np.repeat(np.arange(13), 100)[:, None] * 70.0
    assert suppress(boxes, scores, 0.4).tolist() == _greedy(boxes, scores, 0.4, "union")


def test_suppression_does_not_depend_on_the_order_of_the_boxes() -> None:
    rng = np.random.default_rng(2)
    boxes, scores = _random_boxes(rng, 80)
    shuffled = rng.permutation(80)
    first = boxes[suppress(boxes, scores, 0.3)]
    np.testing.assert_array_equal(first, boxes[shuffled][suppress(boxes[shuffled], scores[shuffled], 0.3)])


def test_boxes_move_by_shares_of_their_sides() -> None:
    result = moved(np.array([[10.0, 20.0, 30.0, 60.0]]), np.array([[0.1, -0.1, 0.5, 0.25]]))
    np.testing.assert_allclose(result, [[12, 16, 40, 70]])


def test_squares_keep_the_centre_and_the_longer_side() -> None:
    np.testing.assert_allclose(squared(np.array([[10.0, 20.0, 30.0, 60.0]])), [[0, 20, 40, 60]])


def test_corners_and_sides_are_inverse() -> None:
    boxes = _random_boxes(np.random.default_rng(3), 9)[0].astype(np.float32)
    np.testing.assert_allclose(corners(sides(boxes)), boxes, rtol=1e-6)
