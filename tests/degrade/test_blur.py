"""Motion blur and defocus against scipy and against what optics says of their kernels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import correlate

from deepfake_pipeline.degrade.blur import Defocus, MotionBlur, disc, streak
from deepfake_pipeline.degrade.severity import REFERENCE_SIDE, STEPS
from tests.degrade.pictures import Image, face


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def moments(kernel: NDArray[np.float64], direction: float = 0.0) -> tuple[NDArray[np.float64], float, float]:
    """Centre of a kernel, and its variance along a direction and across it."""
    weights = kernel / kernel.sum()
    places = np.indices(kernel.shape) - (np.array(kernel.shape) // 2)[:, None, None]
    y, x = places
    along = x * np.cos(direction) + y * np.sin(direction)
    across = -x * np.sin(direction) + y * np.cos(direction)
    return (weights * places).sum(axis=(1, 2)), float((weights * along**2).sum()), float((weights * across**2).sum())


@given(st.floats(2, 60), st.floats(0, np.pi))
@settings(max_examples=50, deadline=None)
def test_a_streak_is_as_long_as_it_says_and_a_pixel_wide(length: float, direction: float) -> None:
    centre, along, across = moments(streak(length, direction), direction)
    assert np.abs(centre).max() < 0.02
    assert (
        length**2 / 12 - 0.05 < along < (length + 1.5) ** 2 / 12 + 0.3
    )  # a uniform line, read by linear interpolation
    assert across < 0.35


@given(st.floats(2, 30))
@settings(max_examples=30, deadline=None)
def test_a_disc_has_the_area_and_the_spread_of_its_radius(radius: float) -> None:
    kernel = disc(radius)
    assert kernel.sum() / kernel.max() == pytest.approx(np.pi * radius**2, rel=0.05)
    centre, horizontal, vertical = moments(kernel)
    assert np.abs(centre).max() < 1e-9
    assert horizontal == pytest.approx(vertical)
    assert horizontal == pytest.approx(radius**2 / 4 + 1 / 12, rel=0.1)


def expected(image: Image, kernel: NDArray[np.float64]) -> NDArray[np.int64]:
    whole = kernel.astype(np.int64)
    assert (whole == kernel).all()
    sums = np.stack([correlate(plane.astype(np.int64), whole, mode="mirror") for plane in np.moveaxis(image, 2, 0)], 2)
    return np.rint(sums / whole.sum()).astype(np.int64)


@pytest.mark.parametrize("size", [160, 300])
@pytest.mark.parametrize("step", [0, 4])
def test_both_are_scipys_correlation_to_the_last_bit(size: int, step: int) -> None:
    image, scale = face(size), size / REFERENCE_SIDE
    length, radius = STEPS["motion_blur"].values[step], STEPS["defocus"].values[step]
    moved = MotionBlur(length, 0.7).apply(image, rng())
    assert np.array_equal(moved, expected(image, streak(length * scale, 0.7)))
    assert np.array_equal(Defocus(radius).apply(image, rng()), expected(image, disc(radius * scale)))


def test_motion_keeps_what_runs_along_it() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[::4] = 200
    along = MotionBlur(20, 0.0).apply(stripes, rng())
    across = MotionBlur(20, np.pi / 2).apply(stripes, rng())
    assert along.std() > 0.9 * stripes.std()
    assert across.std() < 0.3 * stripes.std()


def test_flat_pictures_stay_as_they_are() -> None:
    flat = np.full((40, 50, 3), (3, 127, 255), np.uint8)
    for blur in (MotionBlur(60, 1.1), Defocus(40)):
        assert np.array_equal(blur.apply(flat, rng()), flat)
