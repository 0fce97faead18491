import cv2
import numpy as np
import pytest
from scipy.fft import dctn

from deepfake_pipeline.media.images import decode_image, encode_image, resize
from deepfake_pipeline.media.phash import hamming, perceptual_hash
from tests.media.pictures import smooth


def oracle(rgb: np.ndarray) -> int:
    """The hash by scipy's transform in floating point."""
    grey = resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), 32, 32).astype(float)
    low = dctn(grey, type=2)[1:9, 1:9].ravel()
    return int("".join("1" if value > np.median(low) else "0" for value in low), 2)


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
