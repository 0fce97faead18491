import tracemalloc

import cv2
import numpy as np
import pytest

from deepfake_pipeline.degrade.shadow import Shadow
from deepfake_pipeline.metrics.fidelity import psnr
from deepfake_pipeline.restore.base import Repair
from deepfake_pipeline.restore.light import Clahe, Gamma, RetinexShadow, ShadowEdge
from tests.degrade.pictures import Image, face, pictures


def shaded(image: Image, stops: float, seed: int) -> Image:
    rng = np.random.default_rng(seed)
    drawn = Shadow.draw(1, rng)
    return Shadow(stops, drawn.direction, drawn.offset, drawn.softness).apply(image, rng)


@pytest.mark.parametrize(("repair", "gain"), [(Gamma(), 0.3), (RetinexShadow(), 2.0), (ShadowEdge(), 2.0)])
def test_they_gain_on_shadows_on_average(repair: Repair, gain: float) -> None:
    gains = []
    for seed, image in enumerate(pictures()[:3] * 4):
        degraded = shaded(image, 3.0, seed)
        gains.append(psnr(image, repair.apply(degraded)) - psnr(image, degraded))
    assert np.mean(gains) > gain


@pytest.mark.parametrize("repair", [Gamma(), RetinexShadow(), ShadowEdge()])
def test_they_never_darken(repair: Repair) -> None:
    for seed, image in enumerate(pictures()):
        degraded = shaded(image, 2.0, seed)
        assert (repair.apply(degraded) >= degraded).all()


@pytest.mark.parametrize("direction", [0.3, 2.0, 4.4])
def test_the_shadow_on_a_flat_wall_is_found_and_taken_back(direction: float) -> None:
    wall = np.full((120, 120, 3), (200, 150, 100), np.uint8)
    degraded = Shadow(3.0, direction, 0.07, 0.3).apply(wall, np.random.default_rng(0))
    repaired = ShadowEdge(strength=1.0, natural=0.0).apply(degraded)
    assert np.abs(repaired.astype(int) - wall).mean() < 8 < np.abs(degraded.astype(int) - wall).mean() / 3


def test_gamma_reaches_its_target_and_leaves_bright_images_alone() -> None:
    flat = np.full((8, 8, 3), 60, np.uint8)
    assert Gamma(0.4, least=0.1).apply(flat) == pytest.approx(0.4 * 255, abs=1)
    assert np.array_equal(Gamma().apply(np.full((8, 8, 3), 130, np.uint8)), np.full((8, 8, 3), 130, np.uint8))
    floor = 255 * (60 / 255) ** 0.8
    assert Gamma(0.9, least=0.8).apply(flat) == pytest.approx(floor, abs=1)


def test_clahe_is_opencvs_on_lightness() -> None:
    lab = cv2.cvtColor(face(), cv2.COLOR_RGB2LAB)
    light = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(lab[..., 0])
    expected = cv2.cvtColor(cv2.merge([light, lab[..., 1], lab[..., 2]]), cv2.COLOR_LAB2RGB)
    assert np.array_equal(Clahe().apply(face()), expected)


@pytest.mark.parametrize("height", [90, 1000])
def test_a_shadow_taken_off_in_strips_is_the_one_taken_off_at_once(
    height: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = shaded(cv2.resize(face(), (70, height)).astype(np.uint8), 3.0, 1)
    expected = ShadowEdge().apply(image)
    monkeypatch.setattr("deepfake_pipeline.restore.light._STRIP", 37)
    assert np.array_equal(ShadowEdge().apply(image), expected)
    assert (expected != image).any()


@pytest.mark.parametrize(("repair", "planes"), [(Gamma(), 3), (ShadowEdge(), 4 + 3)])
def test_memory_for_a_large_picture_is_little_more_than_the_result(repair: Repair, planes: int) -> None:
    """Bytes a pixel: the result, and of a shadow one float32 plane; a strip takes at most 80 of its own."""
    height, width = 6000, 256
    image = np.resize(shaded(face(256), 3.0, 1), (height, width, 3))
    repair.apply(image[:64])  # what is kept for the next picture
    tracemalloc.start()
    repair.apply(image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < planes * height * width + 80 * 256 * width
