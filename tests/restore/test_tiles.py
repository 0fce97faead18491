"""Tiles: the same result as in one piece, where a repair looks no further than the overlap."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepfake_pipeline.degrade.compression import Jpeg
from deepfake_pipeline.restore.blocking import JpegDeblocking
from deepfake_pipeline.restore.light import Gamma, ShadowEdge
from deepfake_pipeline.restore.noise import Median
from deepfake_pipeline.restore.tiles import TILE, few_starts, in_tiles, repaired
from tests.degrade.pictures import texture


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
    assert {shape[:2] for shape in seen} == {(128, 128), (124, 128)}  # 500 - 128 is no multiple of 8
    assert len(seen) == 5 * 4


def test_an_overlap_of_half_a_tile_is_refused():
    with pytest.raises(ValueError, match="overlap 64"):
        in_tiles(picture(10, 10), lambda tile: tile, tile=128, overlap=64)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(16, 130), st.data())
def test_tiles_begin_where_blocks_begin_and_share_the_overlap(height, width, tile, data):
    overlap = data.draw(st.integers(0, (tile - 1) // 2))
    places = np.stack(np.mgrid[:height, :width], axis=-1).astype(np.int32)
    marked = np.concatenate([places % 256, places[..., :1] // 256 + 2 * (places[..., 1:] // 256)], axis=2)
    seen = []

    def noted(part):
        (y, x, high), (rows, columns) = part[0, 0].astype(int), part.shape[:2]
        seen.append((y + 256 * (high % 2), x + 256 * (high // 2), rows, columns))
        return part

    assert np.array_equal(in_tiles(marked.astype(np.uint8), noted, tile, overlap), marked)
    for start, side, length in ((0, 2, height), (1, 3, width)):
        spans = sorted({(one[start], one[start] + one[side]) for one in seen})
        assert spans[0][0] == 0 and spans[-1][1] == length
        assert all(begin % 8 == 0 and end - begin <= tile for begin, end in spans)
        assert all(end - begin >= overlap for (_, end), (begin, _) in pairwise(spans))


@pytest.mark.parametrize("quality", [25, 60, 75])
def test_a_jpeg_is_deblocked_in_tiles_as_it_is_whole(quality):
    """Equal but for rounding where no tile ends near.

    A pixel of the result is made of the 8 x 8 blocks around it, in chroma of half size and between two values of it:
    of nothing beyond 2 (7 + 1) + 1 = 17 px. Tiles that hold this much around a pixel see the same values, and their
    results differ by the rounding of float32: less than one level, also where it drops a coefficient that lies on the
    threshold, since that is one of 64 results that are averaged and changes it by half a step / 4 at most, 15 levels.
    """
    image = Jpeg(quality).apply(texture(3, 304)[:300, :214], np.random.default_rng(0))  # no side a multiple of 8
    whole = JpegDeblocking().apply(image)
    tiled = in_tiles(image, JpegDeblocking().apply, tile=128, overlap=40)
    away = np.ones((300, 214), bool)
    for axis, starts in enumerate(((0, 88, 176), (0, 88))):
        along = np.moveaxis(away, axis, 0)
        for start in starts:
            if start > 0:
                along[start : start + 17] = False
            if start + 128 < len(along):
                along[start + 128 - 17 : start + 128] = False
    assert away.mean() > 0.4
    assert np.abs(whole.astype(int) - tiled)[away].max() <= 1
    assert np.abs(whole.astype(int) - image)[away].mean() > 0.2  # it was deblocked


def test_what_is_looked_at_begins_where_blocks_begin():
    assert few_starts(300) == few_starts(512) == [0]
    assert few_starts(513) == [0, 8]
    assert few_starts(1300) == [0, 392, 792]


def test_a_tile_of_less_than_two_blocks_is_refused():
    with pytest.raises(ValueError, match="under 16"):
        in_tiles(picture(40, 40), lambda tile: tile, tile=15, overlap=0)


@pytest.mark.parametrize("repair", [Gamma(), ShadowEdge()])
def test_what_judges_a_part_by_the_whole_makes_no_seams(repair):
    light = np.linspace(120, 20, TILE + 200).astype(np.uint8)[:, None, None] + picture(TILE + 200, 40) // 16
    assert not np.array_equal(in_tiles(light, repair.apply), repair.apply(light))
    assert np.array_equal(repaired(light, repair), repair.apply(light))


def test_all_else_is_repaired_in_tiles():
    image = picture(TILE + 40, 30)
    assert np.array_equal(repaired(image, Median(3)), in_tiles(image, Median(3).apply))
