import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.restoration import richardson_lucy

from deepfake_pipeline.degrade.blur import GaussianBlur
from deepfake_pipeline.degrade.noise import SaltAndPepper
from deepfake_pipeline.degrade.shadow import Shadow
from deepfake_pipeline.metrics.fidelity import psnr
from deepfake_pipeline.restore.base import Repair
from deepfake_pipeline.restore.blur import RichardsonLucy, Unsharp, Wiener
from deepfake_pipeline.restore.estimate import blur_sigma
from tests.degrade.pictures import Image, face, pictures


def blurred(image: Image, sigma: float) -> Image:
    return GaussianBlur(sigma).apply(image, np.random.default_rng(0))


@pytest.mark.parametrize(("k", "sigma"), [(1.0, 2.0), (0.5, 3.0), (2.5, 1.0)])
def test_unsharp_is_the_formula(k: float, sigma: float) -> None:
    original = face().astype(np.float64)
    smooth = gaussian_filter(original, (sigma, sigma, 0), mode="reflect", truncate=6)
    expected = np.clip(original + k * (original - smooth), 0, 255)
    assert np.abs(Unsharp(k, sigma).apply(face()) - expected).max() < 0.55


def test_unsharp_scales_with_the_face() -> None:
    original = face(112).astype(np.float64)
    smooth = gaussian_filter(original, (1.0, 1.0, 0), mode="reflect", truncate=6)
    assert np.abs(Unsharp(1.0, 2.0).apply(face(112)) - np.clip(2 * original - smooth, 0, 255)).max() < 0.55


def test_wiener_solves_its_normal_equations() -> None:
    """Filter of dense matrices: blur and gradient penalty of mirrored cosines, without a fast transform."""
    side, sigma, ratio = 12, 1.3, 0.01
    image = face(side)
    basis = np.cos(np.outer(np.arange(side), 2 * np.arange(side) + 1) * np.pi / (2 * side))
    basis /= np.linalg.norm(basis, axis=1, keepdims=True)
    squared = (np.arange(side) * np.pi / side) ** 2
    blur = basis.T @ np.diag(np.exp(-0.5 * sigma**2 * squared)) @ basis
    second = basis.T @ np.diag(squared) @ basis
    whole, unit = np.kron(blur, blur), np.eye(side)
    penalty = np.kron(second, unit) + np.kron(unit, second)
    solve = np.linalg.solve(whole.T @ whole + ratio * penalty, whole.T @ image.reshape(-1, 3).astype(float))
    expected = np.clip(solve.reshape(image.shape), 0, 255)
    assert np.abs(Wiener(ratio, sigma).apply(image) - expected).max() < 0.55


def test_richardson_lucy_is_scikit_images_inside() -> None:
    image, sigma = blurred(face(), 2.0), 2.0
    axis = np.arange(-8, 9)
    kernel = np.exp(-0.5 * (axis / sigma) ** 2)
    kernel = np.outer(kernel, kernel) / kernel.sum() ** 2
    scaled = np.pad((image + 1.0) / 256, ((60, 60), (60, 60), (0, 0)), mode="symmetric")
    one = [richardson_lucy(scaled[..., channel], kernel, 4, clip=False) for channel in range(3)]
    expected = np.stack(one, axis=2)[60:-60, 60:-60] * 256 - 1
    found = RichardsonLucy(4, sigma).apply(image)[8:-8, 8:-8]
    # scikit-image starts from grey, this from the image: iterations bring them near, not to the same
    assert np.abs(found - np.clip(expected, 0, 255)[8:-8, 8:-8]).mean() < 2.5


@pytest.mark.parametrize("repair", [Unsharp(), Wiener(), RichardsonLucy()])
def test_they_gain_on_blur(repair: Repair) -> None:
    gains = [psnr(image, repair.apply(blurred(image, 2.0))) - psnr(image, blurred(image, 2.0)) for image in pictures()]
    assert np.mean(gains) > 1.0
    assert min(gains) > 0


@pytest.mark.parametrize("sigma", [2.0, 3.0, 4.0, 6.0])
def test_the_width_of_a_blur_is_estimated(sigma: float) -> None:
    found = [blur_sigma(blurred(image, sigma)) for image in pictures()[:3]]
    assert np.abs(np.array(found) - sigma).max() < 0.2 * sigma + 0.3


def test_what_is_sharp_noisy_or_in_shadow_is_not_called_blurred() -> None:
    rng = np.random.default_rng(0)
    for image in pictures()[:3]:
        for other in (image, SaltAndPepper(0.03).apply(image, rng), Shadow(3, 1, 0, 0.3).apply(image, rng)):
            assert blur_sigma(other) == 0
            assert np.array_equal(Wiener().apply(other), other)
            assert np.array_equal(RichardsonLucy().apply(other), other)


def test_nothing_is_told_of_blur_in_flat_and_tiny_images() -> None:
    assert blur_sigma(np.full((64, 64, 3), 9, np.uint8)) == 0
    assert blur_sigma(blurred(face(), 4.0)[:31]) == 0
