"""What holds for every repair."""

import dataclasses
import doctest
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepfake_pipeline.restore import REPAIRS
from tests.degrade.pictures import Image, face, texture

BLIND_TO_NOTHING = ("median3", "unsharp", "clahe")


def picture(height: int, width: int, kind: str) -> Image:
    noise = np.random.default_rng(height * 64 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    if kind == "grey":
        return np.repeat(noise[..., :1], 3, axis=2)
    if kind == "saturated":
        return np.where(noise < 128, 0, 255).astype(np.uint8)
    if kind in ("black", "white"):
        return np.full((height, width, 3), 255 * (kind == "white"), np.uint8)
    if kind == "smooth":
        return np.ascontiguousarray(texture(0, 40)[:height, :width])
    return noise


@pytest.mark.parametrize("name", REPAIRS)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    kind=st.sampled_from(["noise", "smooth", "grey", "saturated", "black", "white"]),
)
@settings(max_examples=15, deadline=None)
def test_any_size_and_content_gives_an_image_of_the_same_shape(name: str, height: int, width: int, kind: str) -> None:
    image = picture(height, width, kind)
    before = image.copy()
    with np.errstate(all="raise", under="ignore"):  # a NaN on the way would be cast to a level in silence
        repaired = REPAIRS[name].apply(image)
    assert repaired.dtype == np.uint8
    assert repaired.shape == image.shape
    assert np.array_equal(image, before)
    assert not np.shares_memory(repaired, image)
    assert np.array_equal(repaired, REPAIRS[name].apply(image))
    if kind in ("black", "white"):
        assert np.ptp(repaired.astype(int)) <= 1


@pytest.mark.parametrize("name", REPAIRS)
def test_grey_stays_grey(name: str) -> None:
    grey = np.repeat(face(96)[..., 1:2], 3, axis=2)
    repaired = REPAIRS[name].apply(grey).astype(int)
    assert np.ptp(repaired, axis=2).max() <= 2


@pytest.mark.parametrize("name", REPAIRS)
def test_a_view_that_is_not_contiguous_is_repaired_as_its_copy(name: str) -> None:
    view = face(80)[:, ::-1][5:60]
    assert np.array_equal(REPAIRS[name].apply(view), REPAIRS[name].apply(view.copy()))


@pytest.mark.parametrize("name", REPAIRS)
def test_parameters_are_frozen_and_defaults_equal(name: str) -> None:
    repair = REPAIRS[name]
    assert dataclasses.is_dataclass(repair)
    assert repair == dataclasses.replace(repair)
    for field in dataclasses.fields(repair):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(repair, field.name, 0)


@pytest.mark.parametrize(
    "image",
    [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8)],
)
def test_what_is_no_rgb_image_is_refused(image: np.ndarray) -> None:
    for repair in REPAIRS.values():
        with pytest.raises(ValueError, match="expected RGB uint8"):
            repair.apply(image)


def test_only_the_identity_leaves_every_picture_alone() -> None:
    assert np.array_equal(REPAIRS["identity"].apply(face()), face())
    for name in BLIND_TO_NOTHING:
        assert not np.array_equal(REPAIRS[name].apply(face()), face())


@pytest.mark.parametrize("module", ["base", "blocking", "blur", "estimate", "light", "noise"])
def test_the_examples_in_docstrings_are_true(module: str) -> None:
    found = doctest.testmod(import_module(f"deepfake_pipeline.restore.{module}"), extraglobs={"np": np})
    assert found.failed == 0
