import cv2
import numpy as np
import pytest
from scipy.ndimage import median_filter
from skimage.restoration import denoise_nl_means, denoise_wavelet

from deepfake_pipeline.degrade.noise import SaltAndPepper
from deepfake_pipeline.metrics.fidelity import psnr
from deepfake_pipeline.restore.estimate import noise_sigma, plane_noise_sigma
from deepfake_pipeline.restore.noise import AdaptiveMedian, Bilateral, Median, NonLocalMeans, Wavelet
from tests.degrade.pictures import Image, face, pictures, texture


def noisy(image: Image, sigma: float, seed: int = 0) -> Image:
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def salted(image: Image, share: float, seed: int = 0) -> Image:
    return SaltAndPepper(share).apply(image, np.random.default_rng(seed))


@pytest.mark.parametrize("size", [3, 5])
def test_median_is_opencvs_and_scipys(size: int) -> None:
    image = noisy(face(97), 20)
    repaired = Median(size).apply(image)
    assert np.array_equal(repaired, cv2.medianBlur(image, size))
    assert np.array_equal(repaired, median_filter(image, (size, size, 1), mode="nearest"))


def test_adaptive_median_is_the_plain_loop() -> None:
    """Pixel by pixel, as the docstring says it."""
    image = salted(texture(3, 40), 0.4)
    extreme = (image == 0).all(axis=2) | (image == 255).all(axis=2)
    expected = image.copy()
    for row, column in np.argwhere(extreme):
        near = [np.clip(np.arange(middle - 2, middle + 3), 0, 39) for middle in (row, column)]
        if (image[np.ix_(*near)] == image[row, column]).all(axis=2).mean() >= 0.5:
            continue
        for radius in (1, 2, 3):
            # repeated borders count a border pixel more than once
            rows = np.clip(np.arange(row - radius, row + radius + 1), 0, 39)
            columns = np.clip(np.arange(column - radius, column + radius + 1), 0, 39)
            window, valid = image[np.ix_(rows, columns)], ~extreme[np.ix_(rows, columns)]
            if valid.any():
                expected[row, column] = np.floor(np.median(window[valid], axis=0) + 0.5)
                break
    assert np.array_equal(AdaptiveMedian().apply(image), expected)


@pytest.mark.parametrize("share", [0.03, 0.2, 0.5])
def test_adaptive_median_beats_plain_medians_on_salt_and_pepper(share: float) -> None:
    for image in pictures()[:3]:
        degraded = salted(image, share)
        found = psnr(image, AdaptiveMedian().apply(degraded))
        assert found > max(psnr(image, Median(size).apply(degraded)) for size in (3, 5)) + 2
        assert found > psnr(image, degraded) + 10


def test_adaptive_median_reaches_the_figure_that_networks_are_held_to() -> None:
    assert psnr(face(), AdaptiveMedian().apply(salted(face(), 0.2))) > 30


def test_adaptive_median_leaves_clean_pictures_and_their_black_and_white_parts_alone() -> None:
    for image in pictures():
        changed = (AdaptiveMedian().apply(image) != image).any(axis=2)
        assert changed.mean() < 0.005
    framed = face().copy()
    framed[:40], framed[-40:] = 0, 255
    changed = (AdaptiveMedian().apply(framed) != framed).any(axis=2)
    assert changed.mean() < 0.002
    dusty = salted(np.zeros((64, 64, 3), np.uint8), 0.1)
    assert (AdaptiveMedian().apply(dusty) == 0).mean() > 0.99


@pytest.mark.parametrize("sigma", [3, 10, 25, 40])
def test_noise_is_estimated(sigma: float) -> None:
    smooth = cv2.GaussianBlur(face(), (0, 0), 1.5)
    inside = np.clip(smooth, 100, 155).astype(np.uint8)  # no clipping of the noise
    assert noise_sigma(noisy(inside, sigma)) == pytest.approx(sigma, rel=0.08)


def test_nothing_is_told_of_noise_in_flat_and_tiny_images() -> None:
    assert noise_sigma(np.full((20, 20, 3), 77, np.uint8)) == 0
    assert noise_sigma(noisy(face(16), 50)[:2]) == 0


def test_non_local_means_is_scikit_images() -> None:
    image = noisy(face(64), 15)
    sigma = noise_sigma(image)
    expected = denoise_nl_means(image / 255, 5, 6, h=0.6 * sigma / 255, sigma=sigma / 255, channel_axis=-1)
    assert np.abs(NonLocalMeans().apply(image) - 255 * expected).max() < 0.6


def test_wavelets_are_scikit_images() -> None:
    image = noisy(face(64), 15)
    luma = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2YCrCb)
    sigmas = [plane_noise_sigma(np.ascontiguousarray(luma[..., channel])) for channel in range(3)]
    smooth = denoise_wavelet(
        luma.astype(np.float64), sigmas, "db2", "soft", method="BayesShrink", rescale_sigma=False, channel_axis=-1
    )
    expected = cv2.cvtColor(smooth.astype(np.float32), cv2.COLOR_YCrCb2RGB)
    assert np.abs(Wavelet().apply(image) - np.clip(expected, 0, 255)).max() < 0.6


def test_bilateral_is_opencvs_at_the_estimated_noise() -> None:
    image = noisy(face(64), 15)
    expected = cv2.bilateralFilter(image, 9, 5 * noise_sigma(image), 2.0, borderType=cv2.BORDER_REFLECT)
    assert np.array_equal(Bilateral().apply(image), expected)


@pytest.mark.parametrize(("repair", "gain"), [(NonLocalMeans(), 8), (Wavelet(), 7), (Bilateral(), 7)])
def test_they_gain_on_strong_noise(repair: NonLocalMeans | Wavelet | Bilateral, gain: float) -> None:
    degraded = noisy(face(), 25)
    assert psnr(face(), repair.apply(degraded)) > psnr(face(), degraded) + gain
