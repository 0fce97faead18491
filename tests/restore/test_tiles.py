"""Tiles: the same result as in one piece, where a repair looks no further than the overlap."""

import cv2
import numpy as np
import pytest

from deepfake_pipeline.restore.tiles import in_tiles


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(64, 64), (65, 64), (200, 130), (64, 300), (257, 259), (10, 500)])
def test_a_repair_of_each_pixel_alone_is_exact(size):
    image = picture(*size)
    assert np.array_equal(in_tiles(image, lambda tile: 255 - tile, tile=64, overlap=16), 255 - image)


def test_no_seam_where_the_overlap_holds_what_the_repair_sees():
    image = cv2.resize(picture(30, 22), (220, 300), interpolation=cv2.INTER_CUBIC)
    whole = cv2.GaussianBlur(image, (5, 5), 1.0)
    tiled = in_tiles(image, lambda tile: cv2.GaussianBlur(tile, (5, 5), 1.0), tile=96, overlap=24)
    assert np.abs(whole.astype(int) - tiled).max() <= 2  # the last pixels of a tile, which weigh little


def test_a_small_picture_is_repaired_whole():
    seen = []
    in_tiles(picture(100, 90), lambda tile: seen.append(tile.shape) or tile, tile=128, overlap=16)
    assert seen == [(100, 90, 3)]


def test_no_tile_is_larger_than_asked_for_and_few_are_made():
    seen = []
    in_tiles(picture(500, 400), lambda tile: seen.append(tile.shape) or tile, tile=128, overlap=16)
    assert {shape[:2] for shape in seen} == {(128, 128)}
    assert len(seen) == 5 * 4


def test_an_overlap_of_half_a_tile_is_refused():
    with pytest.raises(ValueError, match="overlap 64"):
        in_tiles(picture(10, 10), lambda tile: tile, tile=128, overlap=64)
