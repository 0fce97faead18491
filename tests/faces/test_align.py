"""Transforms against scikit-image; what a warp does to pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.transform import SimilarityTransform

from deepfake_pipeline.faces.align import (
    CANONICAL,
    aligning,
    canonical_points,
    filling,
    framing,
    inverse,
    similarity,
    transformed,
    warp,
)

_FACE = np.array([[40.0, 52.0], [75.0, 48.0], [58.0, 70.0], [45.0, 90.0], [72.0, 88.0]], np.float32)


def _texture(height: int = 120, width: int = 120, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), mirrored=st.booleans())
def test_similarity_agrees_with_scikit_image(seed: int, mirrored: bool) -> None:
    rng = np.random.default_rng(seed)
    source, target = rng.uniform(0, 100, (2, 5, 2))
    if mirrored:  # the closest orthogonal matrix would be a reflection
        target = source * [-1, 1] + rng.normal(0, 1, (5, 2))
    expected = SimilarityTransform.from_estimate(source, target)
    np.testing.assert_allclose(similarity(source, target), expected.params[:2], atol=1e-8)


def test_similarity_recovers_a_known_transform() -> None:
    angle, scale = 0.4, 1.7
    rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = _FACE @ rotation.T + [5, -9]
    np.testing.assert_allclose(similarity(_FACE, moved), np.column_stack([rotation, [5, -9]]), atol=1e-5)


def test_points_that_are_all_the_same_have_no_similarity() -> None:
    with pytest.raises(ValueError, match="must not all be the same"):
        similarity(np.ones((5, 2)), _FACE)


def test_inverse_undoes() -> None:
    matrix = similarity(_FACE, _FACE[:, ::-1] * 2)
    np.testing.assert_allclose(transformed(transformed(_FACE, matrix), inverse(matrix)), _FACE, atol=1e-4)


def test_canonical_points_stand_symmetrically_inside_the_margin() -> None:
    points = canonical_points(100, 100, margin=0.0)
    np.testing.assert_allclose(points[0] + points[1] * [1, -1], [99, 0], atol=1e-9)
    np.testing.assert_allclose(points + 0.5, np.array(CANONICAL) * 100)
    wide = canonical_points(100, 180, margin=0.5)
    np.testing.assert_allclose(wide[1, 0] - wide[0, 0], 0.36 * 50)
    np.testing.assert_allclose(wide[:2, 0].mean(), 89.5)


def test_an_aligned_face_has_its_points_where_they_belong() -> None:
    face = transformed(canonical_points(90, 90, 0.2), similarity([[0, 0], [1, 0]], [[20, 30], [21.5, 30.8]]))
    matrix = aligning(face.astype(np.float32), 64, 64, 0.1)
    np.testing.assert_allclose(transformed(face, matrix), canonical_points(64, 64, 0.1), atol=1e-3)


def test_pixels_follow_the_points() -> None:
    image = np.zeros((140, 120, 3), np.uint8)
    for x, y in _FACE:
        cv2.circle(image, (round(float(x)), round(float(y))), 2, (255, 255, 255), -1)
    matrix = aligning(_FACE, 128, 128, 0.1)
    crop = warp(image, matrix, 128, 128)[..., 0].astype(float)
    for x, y in transformed(_FACE.round(), matrix):
        rows, columns = np.mgrid[int(y) - 5 : int(y) + 7, int(x) - 5 : int(x) + 7]
        weight = crop[rows, columns]
        assert abs((weight * columns).sum() / weight.sum() - x) < 0.3
        assert abs((weight * rows).sum() / weight.sum() - y) < 0.3


def test_framing_cuts_the_square_around_a_box() -> None:
    image = _texture()
    matrix = framing((30, 40, 40, 60), 60, 60, margin=0.0)
    np.testing.assert_array_equal(warp(image, matrix, 60, 60), image[40:100, 20:80])


def test_framing_adds_the_margin_on_each_side() -> None:
    box = (30.0, 40.0, 40.0, 60.0)
    edges = transformed([[20 - 6 - 0.5, 40 - 6 - 0.5], [80 + 6 - 0.5, 100 + 6 - 0.5]], framing(box, 90, 90, 0.1))
    np.testing.assert_allclose(edges, [[-0.5, -0.5], [89.5, 89.5]], atol=1e-9)


def test_filling_stretches_a_region_to_the_crop() -> None:
    image = _texture()
    crop = warp(image, filling((10, 20, 80, 40), 40, 80), 40, 80)
    np.testing.assert_array_equal(crop, image[20:60, 10:90])
    corner = transformed([[9.5, 19.5], [89.5, 59.5]], filling((10, 20, 80, 40), 30, 30))
    np.testing.assert_allclose(corner, [[-0.5, -0.5], [29.5, 29.5]], atol=1e-9)


@pytest.mark.parametrize("factor", [2, 3, 5, 9, 12])
def test_shrinking_by_whole_numbers_is_the_mean_of_the_area(factor: int) -> None:
    side = 16 * factor
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    crop = warp(image, filling((0, 0, side, side), 16, 16), 16, 16)
    expected = image.reshape(16, factor, 16, factor, 3).mean(axis=(1, 3))
    assert np.abs(crop - expected).max() < 2.1  # rounded twice


@pytest.mark.parametrize("factor", [1.5, 2.5, 7.3, 13])
def test_shrinking_by_any_number_is_near_the_mean_of_the_area(factor: float) -> None:
    side = round(20 * factor)
    image = _texture(side, side)
    crop = warp(image, filling((0, 0, side, side), 20, 20), 20, 20)
    expected = cv2.resize(image, (20, 20), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(crop - expected).mean() < 1
    assert np.abs(crop - expected).max() < 6


def test_shrinking_with_a_turn_does_not_alias() -> None:
    rows, columns = np.mgrid[:600, :600]
    checks = np.repeat((((rows + columns) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2)
    turned = similarity([[300, 300], [400, 300]], [[32, 32], [40, 36]])
    assert np.ptp(warp(checks, turned, 64, 64)[16:48, 16:48]) < 25


def test_beyond_the_image_is_its_reflection() -> None:
    image = _texture()
    crop = warp(image, filling((-20, -10, 60, 60), 60, 60), 60, 60)
    np.testing.assert_array_equal(crop, np.pad(image, ((10, 0), (20, 0), (0, 0)), mode="reflect")[:60, :60])


def test_a_crop_wholly_outside_is_still_a_picture() -> None:
    assert warp(_texture(), filling((500, 500, 60, 60), 32, 32), 32, 32).shape == (32, 32, 3)


def test_what_a_crop_sees_does_not_hang_on_the_size_of_the_image() -> None:
    image = _texture(400, 500)
    matrix = similarity([[200, 200], [260, 210]], [[20, 20], [44, 22]])
    whole = warp(image, matrix, 64, 64)
    part = matrix.copy()
    part[:, 2] += part[:, :2] @ [100, 90]
    np.testing.assert_allclose(warp(image[90:, 100:], part, 64, 64), whole, atol=1)
