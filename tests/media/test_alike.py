"""Planted copies are found among faces that were rendered and textures, and nothing else is."""

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deepfake_pipeline.media.alike import LEAST_CONTRAST, THUMBNAIL_BYTES, alike, thumbnail
from deepfake_pipeline.media.alike import contrast as contrast_of
from deepfake_pipeline.media.images import RGBImage, decode_image, encode_image, resize
from deepfake_pipeline.media.render import RenderParams, render_face
from tests.media.pictures import encoded, smooth

FACES, TEXTURES = 60, 140
LEAST = 0.9


def texture(seed: int) -> RGBImage:
    """A picture with structure at all scales."""
    rng = np.random.default_rng(seed)
    layers = [cv2.resize(rng.normal(0, side**-0.7, (side, side, 3)), (128, 120)) for side in (3, 6, 12, 24, 48)]
    whole = sum(layers)
    return np.asarray(np.clip(128 + 90 * whole / np.abs(whole).max(), 0, 255), np.uint8)


def cropped(image: RGBImage, seed: int, share: float = 0.95) -> RGBImage:
    """Both sides shortened, by 5 % if nothing else is said, wherever."""
    height, width = (round(share * side) for side in image.shape[:2])
    rng = np.random.default_rng(seed)
    top, left = rng.integers(0, image.shape[0] - height + 1), rng.integers(0, image.shape[1] - width + 1)
    return image[top : top + height, left : left + width]


COPIES = {
    "encoded": lambda image, seed: decode_image(encoded(image, "JPEG", quality=40 + seed % 50)),
    "resized": lambda image, seed: resize(image, 60 + seed % 200, 60 + seed % 170),
    "mirrored": lambda image, seed: np.ascontiguousarray(image[:, ::-1]),
    "cropped": cropped,
    "all of it": lambda image, seed: decode_image(
        encode_image(resize(np.ascontiguousarray(cropped(image, seed)[:, ::-1]), 90, 90), "jpeg")
    ),
}


@pytest.fixture(scope="module")
def pictures():
    params = RenderParams(size=96, seed=3)
    faces = [render_face(identity, 0, params).image for identity in range(FACES)]
    return faces + [texture(seed) for seed in range(TEXTURES)]


def stacked(pictures):
    return np.frombuffer(b"".join(thumbnail(one) for one in pictures), np.uint8).reshape(-1, THUMBNAIL_BYTES)


def pairs(thumbnails, least=LEAST, keys=None):
    return {(int(i), int(j)) for block in alike(thumbnails, least, keys) for i, j in zip(block.i, block.j, strict=True)}


def test_two_hundred_planted_copies_are_found_and_nothing_else(pictures):
    kinds = list(COPIES)
    planted = [COPIES[kinds[number % len(kinds)]](image, number) for number, image in enumerate(pictures)]
    count = len(pictures)
    assert pairs(stacked([*pictures, *planted])) == {(number, count + number) for number in range(count)}


@pytest.mark.parametrize("kind", COPIES)
def test_which_copies_are_mirrored(pictures, kind):
    copy = COPIES[kind](pictures[0], 7)
    (block,) = alike(stacked([pictures[0], pictures[1], copy]), LEAST)
    assert block.i.tolist() == [0] and block.j.tolist() == [2]
    assert block.mirrored.tolist() == [kind in ("mirrored", "all of it")]
    assert LEAST <= block.similarity[0] <= 1


PARTS = {  # of each picture: what "a crop of 5 %" may mean
    "sides": cropped,
    "area": lambda image, seed: cropped(image, seed, 0.95**0.5),
    "each edge": lambda image, seed: image[
        round(0.05 * image.shape[0]) : round(0.95 * image.shape[0]),
        round(0.05 * image.shape[1]) : round(0.95 * image.shape[1]),
    ],
}


@pytest.mark.parametrize("kind", [*PARTS, *COPIES])
def test_copies_correlate_more_than_frames_of_one_recording_do(pictures, kind):
    """At the similarity that the pipeline asks for, which other pictures do not reach."""
    count = len(pictures)
    copies = [(PARTS | COPIES)[kind](image, number) for number, image in enumerate(pictures)]
    assert pairs(stacked([*pictures, *copies]), 0.97) == {(number, count + number) for number in range(count)}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.3, 1), st.integers(-40, 40), st.booleans())
def test_brightness_contrast_and_mirroring_do_not_matter(seed, contrast, brightness, mirror):
    image = texture(seed)
    other = np.clip((image.astype(float) - 128) * contrast + 128 + brightness, 0, 255).astype(np.uint8)
    assume(contrast_of(stacked([other]))[0] >= LEAST_CONTRAST)  # flatter pictures are not searched
    assert pairs(stacked([image, other[:, ::-1] if mirror else other]), 0.95) == {(0, 1)}


def test_pairs_of_one_key_are_not_wanted(pictures):
    again = stacked([*pictures[:3], *pictures[:3]])
    assert pairs(again, keys=np.array([0, 0, 0, 0, 1, 1])) == {(1, 4), (2, 5)}


def test_pairs_over_several_tiles_are_in_order():
    thumbnails = np.random.default_rng(0).integers(0, 256, (2500, THUMBNAIL_BYTES), dtype=np.uint8)
    thumbnails[[2100, 7, 1030]] = thumbnails[[1029, 2000, 3]]
    found = [pair for block in alike(thumbnails, LEAST) for pair in zip(block.i, block.j, strict=True)]
    assert found == [(3, 1030), (7, 2000), (1029, 2100)]


def test_pictures_without_contrast_are_like_none():
    flat = [np.full((40, 40, 3), value, np.uint8) for value in (0, 0, 128, 129, 255)]
    assert pairs(stacked(flat)) == set()
    assert pairs(stacked([smooth(1), flat[0]])) == set()


def test_the_result_does_not_depend_on_the_threads(pictures, monkeypatch):
    thumbnails = np.random.default_rng(1).integers(0, 256, (1500, THUMBNAIL_BYTES), dtype=np.uint8)
    thumbnails[1400:] = thumbnails[:100]
    two = list(alike(thumbnails, LEAST))
    monkeypatch.setattr("deepfake_pipeline.media.alike._THREADS", 1)
    for one, other in zip(alike(thumbnails, LEAST), two, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_compare(count):
    assert pairs(np.zeros((count, THUMBNAIL_BYTES), np.uint8)) == set()
