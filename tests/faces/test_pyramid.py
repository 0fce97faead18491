"""Scaled images and crops against plain sampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepfake_pipeline.faces.pyramid import Level, Pyramid, layout_of


def _ramp(height: int, width: int) -> np.ndarray:
    """Red grows by 2 a column, green by 3 a row: a crop tells where it comes from."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([2 * columns, 3 * rows, np.full_like(rows, 50)], axis=2).astype(np.uint8)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 3000),
    width=st.integers(1, 3000),
    min_face=st.integers(12, 200),
    factor=st.floats(0.3, 0.95),
)
def test_levels_lie_side_by_side(height: int, width: int, min_face: int, factor: float) -> None:
    layout = layout_of(height, width, 12, min_face, factor)
    covered = np.zeros((layout.height, layout.width), int)
    for level in layout.levels:
        assert level.height % 2 == level.width % 2 == level.top % 2 == level.left % 2 == 0
        assert min(level.height, level.width) >= 12
        covered[level.top : level.top + level.height, level.left : level.left + level.width] += 1
    assert covered.max(initial=0) <= 1
    assert covered.sum() == sum(level.height * level.width for level in layout.levels)


def test_levels_start_at_the_smallest_face_and_waste_little() -> None:
    layout = layout_of(480, 640, window=12, min_face=40, factor=0.709)
    assert (layout.levels[0].height, layout.levels[0].width) == (144, 192)
    assert layout.levels[-1].height == pytest.approx(12, abs=4)
    assert sum(level.height * level.width for level in layout.levels) > 0.85 * layout.height * layout.width
    assert layout_of(39, 640, window=12, min_face=40, factor=0.709).levels == ()


def test_a_level_holds_the_windows_that_lie_wholly_on_it() -> None:
    windows = np.array([[10, 20, 22, 32], [8, 20, 20, 32], [18, 20, 30, 32], [20, 20, 32, 32], [10, 30, 22, 42]])
    held = Level(top=20, left=10, height=20, width=20).holds(windows)
    assert held.tolist() == [True, False, True, False, False]


def test_the_canvas_shows_each_level() -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)
    layout = layout_of(90, 70, window=12, min_face=12, factor=0.709)
    canvas = Pyramid(image).on_canvas(layout)
    np.testing.assert_array_equal(canvas[:90, :70], image)
    second = layout.levels[1]
    part = canvas[second.top : second.top + second.height, second.left : second.left + second.width]
    np.testing.assert_array_equal(part, Pyramid(image).scaled(second.height, second.width))


def test_a_crop_of_its_own_size_is_the_part_itself() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    crop = Pyramid(image).crops(np.array([[7.0, 5.0, 31.0, 29.0]]), 24)[0]
    np.testing.assert_array_equal(crop, image[5:29, 7:31])


@pytest.mark.parametrize("side", [12.0, 36.0, 48.0, 76.8])
def test_crops_of_any_size_show_what_lies_there(side: float) -> None:
    left, top = 1.5, 0.75
    crop = Pyramid(_ramp(80, 80)).crops(np.array([[left, top, left + side, top + side]]), 24)[0]
    centres = (np.arange(24) + 0.5) * side / 24 - 0.5
    inside = slice(2, -2)  # a halving ends half a pixel before the image does
    np.testing.assert_allclose(crop[0, inside, 0], 2 * (left + centres)[inside], atol=1.5)
    np.testing.assert_allclose(crop[inside, 0, 1], 3 * (top + centres)[inside], atol=1.5)


def test_outside_of_the_image_is_grey() -> None:
    image = np.zeros((20, 30, 3), np.uint8)
    crop = Pyramid(image).crops(np.array([[-12.0, -12.0, 12.0, 12.0], [100.0, 0.0, 124.0, 24.0]]), 24)
    assert (crop[0, :11, :11] == 128).all()
    assert (crop[0, 13:, 13:] == 0).all()
    assert (crop[1] == 128).all()


def test_crops_come_in_the_order_of_the_boxes_whatever_their_size() -> None:
    image = np.random.default_rng(0).integers(0, 256, (120, 120, 3), np.uint8)
    boxes = np.array([[0.0, 0.0, 110.0, 110.0], [5.0, 5.0, 29.0, 29.0], [10.0, 0.0, 70.0, 60.0]])
    together = Pyramid(image).crops(boxes, 24)
    for crop, box in zip(together, boxes, strict=True):
        np.testing.assert_array_equal(crop, Pyramid(image).crops(box[None], 24)[0])


def test_no_boxes_give_no_crops() -> None:
    assert Pyramid(_ramp(20, 20)).crops(np.zeros((0, 4)), 24).shape == (0, 24, 24, 3)


def test_a_fine_pattern_shrinks_to_its_mean_instead_of_aliasing() -> None:
    rows, columns = np.mgrid[:256, :256]
    checks = np.repeat((((rows + columns) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2)
    assert np.ptp(Pyramid(checks).scaled(30, 30)) <= 2
    assert np.ptp(Pyramid(checks).crops(np.array([[0.0, 0.0, 250.0, 250.0]]), 24)) <= 2


def test_an_image_too_wide_for_opencv_is_sampled_all_the_same() -> None:
    strip = np.full((16, 40_000, 3), 90, np.uint8)
    crop = Pyramid(strip).crops(np.array([[39_000.0, 2.0, 39_012.0, 14.0]]), 24)
    assert (crop[0, 12] == 90).all()
