import io

import numpy as np
import pytest
from PIL import Image as Pillow
from scipy.fft import dctn, idctn

from deepfake_pipeline.degrade.compression import Jpeg
from deepfake_pipeline.metrics.fidelity import psnr, ssim
from deepfake_pipeline.restore.blocking import JpegDeblocking
from deepfake_pipeline.restore.estimate import chroma_steps, jpeg_quality, luma_steps
from tests.degrade.pictures import Image, face, pictures


def saved(image: Image, quality: int) -> Image:
    return Jpeg(quality).apply(image, np.random.default_rng(0))


@pytest.mark.parametrize("quality", [1, 7, 25, 49, 50, 75, 98, 100])
def test_the_tables_are_those_that_libjpeg_writes(quality: int) -> None:
    stream = io.BytesIO()
    Pillow.fromarray(face(16)).save(stream, "JPEG", quality=quality)
    luma, chroma = (np.array(table).reshape(8, 8) for table in Pillow.open(stream).quantization.values())
    assert np.array_equal(luma_steps(quality), luma)
    assert np.array_equal(chroma_steps(quality), chroma)


@pytest.mark.parametrize("quality", [7, 10, 15, 18, 25, 40, 60, 75])
def test_the_quality_is_read_off_the_pixels(quality: int) -> None:
    for image in pictures()[:3]:
        assert jpeg_quality(saved(image, quality)) == quality


def test_what_was_not_saved_as_jpeg_shows_no_quality_and_stays() -> None:
    for image in pictures()[3:]:
        assert jpeg_quality(image) is None
        assert np.array_equal(JpegDeblocking().apply(image), image)
    assert jpeg_quality(face(7)) is None
    assert jpeg_quality(np.zeros((64, 64, 3), np.uint8)) is None


@pytest.mark.parametrize("quality", [7, 10, 20, 25])
def test_it_gains_on_jpeg(quality: int) -> None:
    for image in pictures()[:3]:
        degraded = saved(image, quality)
        repaired = JpegDeblocking().apply(degraded)
        assert psnr(image, repaired) > psnr(image, degraded) + 0.5
        assert ssim(image, repaired) > ssim(image, degraded) + 0.005


def test_it_smooths_the_edges_of_blocks_more_than_the_rest() -> None:
    degraded = saved(face(), 10)
    step = np.abs(np.diff(degraded.astype(int), axis=1)).mean(axis=(0, 2))
    after = np.abs(np.diff(JpegDeblocking().apply(degraded).astype(int), axis=1)).mean(axis=(0, 2))
    at_edges = np.arange(step.size) % 8 == 7
    assert step[at_edges].mean() > 1.2 * step[~at_edges].mean()
    assert after[at_edges].mean() < 1.1 * after[~at_edges].mean()


def test_the_shifts_are_the_plain_loop() -> None:
    """One channel by scipy's transform, a block at a time."""
    plane = face(32)[..., 1].astype(np.float32)
    steps = luma_steps(15)
    repair = JpegDeblocking(threshold=0.5, stride=4)
    around = np.pad(plane, 8, mode="symmetric")
    total, weight = np.zeros(around.shape), np.zeros(around.shape)
    for top in range(0, 41, 4):
        for left in range(0, 41, 4):
            block = slice(top, top + 8), slice(left, left + 8)
            coefficients = dctn(around[block], norm="ortho")
            kept = np.abs(coefficients) >= 0.5 * steps
            kept[0, 0] = True
            total[block] += idctn(coefficients * kept, norm="ortho") / kept.sum()
            weight[block] += 1 / kept.sum()
    expected = (total / np.where(weight > 0, weight, 1))[8:-8, 8:-8]
    assert np.abs(repair._smooth(plane, steps) - expected).max() < 1e-2
