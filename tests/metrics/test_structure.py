"""MS-SSIM, GMSD and shares of pixels against definitions written out, and another library."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import convolve
from scipy.signal import fftconvolve
from skimage import data
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from deepfake_pipeline.metrics.fidelity import gmsd, image_cosine, mae, ms_ssim, share_within, ssim

Image = NDArray[np.uint8]

FACE = np.ascontiguousarray(data.astronaut()[:224, 100:324])
CAT = np.ascontiguousarray(data.chelsea()[20:237, 100:351])  # odd sides


def spoilt(image: Image) -> dict[str, Image]:
    rng = np.random.default_rng(0)
    return {
        "blurred": cv2.GaussianBlur(image, (0, 0), 2.0),
        "dark": cv2.convertScaleAbs(image, alpha=0.3),
        "noisy": np.clip(image + rng.normal(0, 20, image.shape), 0, 255).astype(np.uint8),
        "inverted": 255 - image,
    }


def published_ms_ssim(reference: Image, image: Image) -> float:
    """Wang, Simoncelli and Bovik 2003, from the definition, in float64."""
    window = np.outer(*[np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)] * 2)[..., None]
    window /= window.sum()
    one, other = reference.astype(float), image.astype(float)
    c1, c2, result = (0.01 * 255) ** 2, (0.03 * 255) ** 2, 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        a, b, aa, bb, ab = (
            fftconvolve(x, window, "valid", axes=(0, 1)) for x in (one, other, one * one, other * other, one * other)
        )
        term = (2 * (ab - a * b) + c2) / (aa - a * a + bb - b * b + c2)
        if scale == 4:
            term = term * (2 * a * b + c1) / (a * a + b * b + c1)
        result *= max(term.mean(), 0.0) ** weight
        height, width = (side // 2 for side in one.shape[:2])
        one, other = (
            x[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3).mean(axis=(1, 3)) for x in (one, other)
        )
    return float(result)


def published_gmsd(reference: Image, image: Image) -> float:
    """Xue et al. 2014, from the definition, in float64."""
    slopes = []
    for picture in (reference, image):
        luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(float)
        mean = convolve(luma, np.full((2, 2), 0.25), mode="constant")[
            : luma.shape[0] // 2 * 2 : 2, : luma.shape[1] // 2 * 2 : 2
        ]
        kernel = np.array([[1, 0, -1]] * 3) / 3
        slopes.append(np.hypot(*(convolve(mean, k, mode="constant") for k in (kernel, kernel.T))))
    one, other = slopes
    return float(np.std((2 * one * other + 170) / (one**2 + other**2 + 170)))


@pytest.mark.parametrize("name", spoilt(FACE))
@pytest.mark.parametrize("reference", [FACE, CAT], ids=["face", "odd sides"])
def test_figures_equal_their_definitions(reference: Image, name: str) -> None:
    image = spoilt(reference)[name]
    assert ms_ssim(reference, image) == pytest.approx(published_ms_ssim(reference, image), abs=1e-5)
    assert gmsd(reference, image) == pytest.approx(published_gmsd(reference, image), abs=1e-5)


@pytest.mark.parametrize("name", ["blurred", "dark", "noisy"])
def test_ms_ssim_is_close_to_torchmetrics(name: str) -> None:
    """It takes luminance at the coarsest scale over the padded border too: equal to a thousandth."""
    x, y = (torch.from_numpy(picture).permute(2, 0, 1).double()[None] for picture in (FACE, spoilt(FACE)[name]))
    theirs = float(multiscale_structural_similarity_index_measure(y, x, data_range=255.0))
    assert ms_ssim(FACE, spoilt(FACE)[name]) == pytest.approx(theirs, abs=1e-3)


def test_a_small_image_has_fewer_scales() -> None:
    small = np.ascontiguousarray(FACE[:21, :40])
    blurred = cv2.GaussianBlur(small, (0, 0), 1.0)
    assert ms_ssim(small, blurred) == pytest.approx(ssim(small, blurred) ** 1.0001)  # one scale, of all the weight
    with pytest.raises(ValueError, match="11 x 11"):
        ms_ssim(small[:10], blurred[:10])


@given(st.integers(0, 2**32 - 1), st.sampled_from([11, 24, 57, 180]))
def test_an_image_is_like_itself_and_order_does_not_matter(seed: int, side: int) -> None:
    one, other = np.random.default_rng(seed).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    assert (ms_ssim(one, one), gmsd(one, one), share_within(one, one, 0)) == (pytest.approx(1), 0, 1)
    assert image_cosine(one, one) == pytest.approx(1)
    for figure in (ms_ssim, gmsd, image_cosine, mae):
        assert figure(one, other) == pytest.approx(figure(other, one), abs=1e-6)
    assert 0 <= ms_ssim(one, other) <= 1
    shares = [share_within(one, other, tolerance) for tolerance in (0, 13, 128, 255)]
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_a_pixel_counts_when_all_of_its_channels_are_close() -> None:
    one = np.full((4, 5, 3), 100, np.uint8)
    other = one.copy()
    other[0, 0, 1] = 114
    other[1, :, 2] = 87
    assert share_within(one, other, 13) == 19 / 20
    assert share_within(one, other, 12) == 14 / 20


def test_the_cosine_of_images_hardly_tells_faces_apart() -> None:
    assert image_cosine(FACE, cv2.convertScaleAbs(FACE, alpha=0.5)) > 0.999
    assert image_cosine(FACE, np.ascontiguousarray(FACE[:, ::-1])) > 0.7
    black = np.zeros_like(FACE)
    assert (image_cosine(black, black), image_cosine(black, FACE)) == (1, 0)
