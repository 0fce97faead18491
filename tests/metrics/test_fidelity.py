import timeit

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from deepfake_pipeline.metrics.fidelity import MAX_PSNR, mae, psnr, ssim
from deepfake_pipeline.metrics.fidelity_torch import mae_batch, psnr_batch, ssim_batch

Image = NDArray[np.uint8]


def oracle_ssim(reference: Image, image: Image) -> float:
    value = structural_similarity(
        reference, image, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, channel_axis=2, data_range=255
    )
    return float(value)


def pairs() -> list[tuple[Image, Image]]:
    rng = np.random.default_rng(0)
    face = np.ascontiguousarray(data.astronaut()[:224, 100:324])
    cat = np.ascontiguousarray(data.chelsea()[40:217, 100:351])  # odd sides
    noise = rng.integers(0, 256, (32, 48, 3), dtype=np.uint8)
    flat = np.full((20, 20, 3), 250, np.uint8)
    return [
        (face, cv2.GaussianBlur(face, (0, 0), 2.0)),
        (face, cv2.convertScaleAbs(face, alpha=0.3)),
        (cat, cv2.medianBlur(cat, 5)),
        (cat, np.clip(cat + rng.normal(0, 2, cat.shape), 0, 255).astype(np.uint8)),
        (noise, 255 - noise),
        (flat, flat - np.uint8(1)),
        (np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 255, np.uint8)),
        (face[:, :, :1].copy(), face[:, :, 1:2].copy()),
    ]


@pytest.mark.parametrize("number", range(8))
def test_figures_equal_scikit_image(number: int) -> None:
    reference, image = pairs()[number]
    assert ssim(reference, image) == pytest.approx(oracle_ssim(reference, image), abs=2e-6)
    assert psnr(reference, image) == pytest.approx(peak_signal_noise_ratio(reference, image, data_range=255))
    assert mae(reference, image) == pytest.approx(np.abs(reference / 255 - image / 255).mean())


def tensor(image: Image) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1).float()[None] / 255


@pytest.mark.parametrize("number", range(8))
def test_batches_give_the_same_numbers(number: int) -> None:
    reference, image = pairs()[number]
    x, y = tensor(reference), tensor(image)
    batch_x, batch_y = torch.cat([x, x]), torch.cat([y, x]).contiguous(memory_format=torch.channels_last)
    assert ssim_batch(batch_x, batch_y).numpy() == pytest.approx([ssim(reference, image), 1], abs=1e-5)
    assert psnr_batch(batch_x, batch_y).numpy() == pytest.approx([psnr(reference, image), MAX_PSNR], abs=1e-4)
    assert mae_batch(batch_x, batch_y).numpy() == pytest.approx([mae(reference, image), 0], abs=1e-6)


def test_identical_images_are_as_close_as_can_be() -> None:
    face = pairs()[0][0]
    assert (ssim(face, face), psnr(face, face), mae(face, face)) == (pytest.approx(1), MAX_PSNR, 0)
    nearly = face.copy()
    nearly[0, 0, 0] += 1
    assert 99.8 < psnr(face, nearly) < MAX_PSNR


def test_ssim_is_a_loss_that_can_be_descended_under_autocast() -> None:
    reference, image = pairs()[0]
    clean, guess = tensor(reference)[..., :64, :64], tensor(image)[..., :64, :64].clone().requires_grad_()
    before = float(ssim_batch(clean, guess.detach()))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = ssim_batch(clean, guess)
    assert value.dtype == torch.float32
    assert float(value.detach()) == pytest.approx(before, abs=1e-6)
    (gradient,) = torch.autograd.grad(value.sum(), guess)
    assert torch.isfinite(gradient).all()
    assert float(ssim_batch(clean, guess.detach() + 5 * gradient)) > before


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_same_numbers_even_where_tf32_is_allowed() -> None:
    reference, image = pairs()[0]
    torch.backends.cudnn.allow_tf32 = True
    found = ssim_batch(tensor(reference).cuda(), tensor(image).cuda())
    assert float(found) == pytest.approx(ssim(reference, image), abs=1e-5)


def test_inputs_are_left_as_they_are() -> None:
    reference, image = pairs()[0]
    kept = reference.copy(), image.copy()
    ssim(reference, image)
    assert np.array_equal(reference, kept[0])
    assert np.array_equal(image, kept[1])
    x, y = tensor(reference), tensor(image)
    ssim_batch(x, y)
    assert torch.equal(x, tensor(reference))


def test_a_pair_takes_milliseconds() -> None:
    reference, image = pairs()[0]
    best = min(timeit.repeat(lambda: ssim(reference, image), number=5, repeat=5)) / 5
    assert best < 0.02  # 0.0022 on one core when nothing else runs


@pytest.mark.parametrize(
    ("reference", "image", "message"),
    [
        (np.zeros((16, 16, 3), np.float32), np.zeros((16, 16, 3), np.uint8), "uint8"),
        (np.zeros((16, 16), np.uint8), np.zeros((16, 16), np.uint8), "H, W, C"),
        (np.zeros((16, 16, 3), np.uint8), np.zeros((16, 17, 3), np.uint8), "differ in shape"),
        (np.zeros((10, 16, 3), np.uint8), np.zeros((10, 16, 3), np.uint8), "at least 11"),
    ],
)
def test_bad_images_are_named(reference: Image, image: Image, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ssim(reference, image)


def test_bad_tensors_are_named() -> None:
    with pytest.raises(ValueError, match="of one shape"):
        psnr_batch(torch.zeros(1, 3, 16, 16), torch.zeros(2, 3, 16, 16))
    with pytest.raises(ValueError, match="at least 11"):
        ssim_batch(torch.zeros(1, 3, 10, 16), torch.zeros(1, 3, 10, 16))
