import time

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import dctn

from deepfake_pipeline.media.images import decode_image, encode_image, resize
from deepfake_pipeline.media.phash import hamming, is_informative, near_pairs, perceptual_hash
from tests.media.pictures import smooth

UINT64 = st.integers(0, 2**64 - 1)


def oracle(rgb: np.ndarray) -> int:
    """The hash by scipy's transform in floating point."""
    grey = resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), 32, 32).astype(float)
    low = dctn(grey, type=2)[1:9, 1:9].ravel()
    return int("".join("1" if value > np.median(low) else "0" for value in low), 2)


def all_pairs(hashes, max_distance, keys=None):
    found = [np.stack([part.astype(int) for part in pairs], 1) for pairs in near_pairs(hashes, max_distance, keys)]
    return [tuple(row) for block in found for row in block.tolist()]


class TestPerceptualHash:
    @pytest.mark.parametrize("seed", range(20))
    def test_agrees_with_scipy(self, seed):
        image = smooth(seed, 100, 80)
        assert hamming(perceptual_hash(image), oracle(image)) <= 1  # a coefficient at the median may fall either way

    @pytest.mark.parametrize("seed", range(10))
    def test_survives_what_does_not_change_the_picture(self, seed):
        image = smooth(seed, 224, 224)
        same = perceptual_hash(image)
        assert hamming(same, perceptual_hash(resize(image, 112, 150))) <= 4
        assert hamming(same, perceptual_hash(decode_image(encode_image(image, "jpeg")))) <= 4
        assert hamming(same, perceptual_hash((image * 0.8 + 20).astype(np.uint8))) <= 4

    def test_different_pictures_are_far_apart(self):
        hashes = np.array([perceptual_hash(smooth(seed)) for seed in range(60)], np.uint64)
        distances = hamming(hashes[:, None], hashes[None])[np.triu_indices(60, 1)]
        assert distances.min() > 8 and 28 < distances.mean() < 36

    def test_half_of_the_bits_are_set(self):
        assert all(perceptual_hash(smooth(seed)).bit_count() == 32 for seed in range(20))

    @pytest.mark.parametrize("value", [0, 1, 127, 255])
    def test_pictures_without_structure_say_nothing(self, value):
        flat = np.full((50, 70, 3), value, np.uint8)
        ramp = np.repeat(np.linspace(0, value, 64).astype(np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)
        for image in (flat, ramp, ramp.transpose(1, 0, 2)):
            assert perceptual_hash(image) == 0
        assert not is_informative(np.array([0], np.uint64))[0]


class TestNearPairs:
    @settings(max_examples=60, deadline=None)
    @given(st.lists(UINT64, max_size=25), st.integers(0, 64), st.data())
    def test_equals_the_plain_double_loop(self, hashes, max_distance, data):
        hashes = hashes + [data.draw(st.sampled_from(hashes)) ^ 5 for _ in hashes[:5]]
        keys = np.array([data.draw(st.integers(0, 3)) for _ in hashes], np.int64)
        expected = [
            (i, j, (hashes[i] ^ hashes[j]).bit_count())
            for i in range(len(hashes))
            for j in range(i + 1, len(hashes))
            if (hashes[i] ^ hashes[j]).bit_count() <= max_distance
            and keys[i] != keys[j]
            and min(hashes[i].bit_count(), hashes[j].bit_count()) >= 8
        ]
        assert all_pairs(np.array(hashes, np.uint64), max_distance, keys) == expected

    def test_planted_pairs_among_many_over_several_blocks(self):
        generator = np.random.default_rng(0)
        hashes = generator.integers(0, 2**64, 14_000, dtype=np.uint64)
        hashes[13_999] = hashes[3] ^ np.uint64(0b1011)
        hashes[7_001] = hashes[7_000]
        start = time.perf_counter()
        assert all_pairs(hashes, 6) == [(3, 13_999, 3), (7_000, 7_001, 0)]
        assert time.perf_counter() - start < 10  # 0.3 s on a free core

    def test_flat_pictures_pair_with_none(self):
        assert all_pairs(np.zeros(5000, np.uint64), 16) == []

    @pytest.mark.parametrize("count", [0, 1])
    def test_nothing_to_compare(self, count):
        assert all_pairs(np.full(count, 2**40 - 1, np.uint64), 64) == []
