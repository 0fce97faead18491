"""Energies of residuals against scipy, and what they are for."""

import cv2
import numpy as np
import pytest
import torch
from scipy.signal import correlate2d

from deepfake_pipeline.media.render import RenderParams, render_face
from deepfake_pipeline.models.residual_energy import CELL, residual_filters
from deepfake_pipeline.models.store import build_network, load_network, network_bytes
from deepfake_pipeline.tables.errors import UserError

SIDE = 64


def images(pictures):
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


@pytest.fixture(scope="module")
def face():
    return render_face(3, 0, RenderParams(size=SIDE)).image


def network(**config):
    torch.manual_seed(0)
    return build_network("residual_energy", {"image_size": SIDE, **config}).eval()


def test_filters_leave_nothing_of_a_flat_area_and_are_exact_in_bfloat16():
    filters = residual_filters()
    assert filters.shape == (32, 3, 6, 6)
    assert not filters.sum((2, 3)).any(), "each colour by itself gives nothing"
    assert torch.equal(filters, filters.round()) and torch.equal(filters, filters.bfloat16().float())
    assert len({tuple(one.flatten().tolist()) for one in filters}) == 32, "two filters are the same"


@pytest.mark.parametrize("number", [0, 4, 9, 10, 16, 24, 25, 31])
def test_an_energy_is_the_mean_strength_of_a_residual_in_a_block(face, number):
    kernel = residual_filters()[number].numpy()
    padded = np.pad(face.astype(np.float64), ((2, 2), (2, 2), (0, 0)))
    residual = sum(correlate2d(padded[..., colour], kernel[colour], mode="valid") for colour in range(3))[::2, ::2]
    blocks = np.abs(residual).reshape(SIDE // CELL, CELL // 2, SIDE // CELL, CELL // 2).mean((1, 3))
    expected = np.log(2 * blocks / np.abs(kernel).sum() + 0.1)
    found = network().energies(images([face]))[0, number]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_last_three_are_mean_colours(face):
    found = network().energies(images([face]))[0, -3:]
    blocks = face.reshape(SIDE // CELL, CELL, SIDE // CELL, CELL, 3).mean((1, 3)).transpose(2, 0, 1)
    np.testing.assert_allclose(found, blocks / 128 - 1, atol=1e-4)


def test_autocast_measures_what_float32_measures(face):
    read = images([face, face[:, ::-1].copy()])
    exact = network().energies(read)
    with torch.autocast("cpu", torch.bfloat16):
        quick = network().energies(read)
    assert quick.dtype == torch.float32
    assert (quick - exact).abs().max() < 0.02  # residuals are rounded to 8 bits, before their mean


def test_the_third_scale_is_what_pairs_of_pixels_of_the_halved_picture_give(face):
    halved = face.astype(np.float64).reshape(SIDE // 2, 2, SIDE // 2, 2, 3).mean((1, 3))
    padded = np.pad(halved, ((2, 2), (2, 2), (0, 0)))
    found = network(scales=3).energies(images([face]))[0]
    assert found.shape == (51, SIDE // CELL, SIDE // CELL)
    assert torch.equal(found[:32], network().energies(images([face]))[0, :32])
    for number in (16, 25, 31):
        kernel = residual_filters()[number].numpy()
        residual = sum(correlate2d(padded[..., colour], kernel[colour], mode="valid") for colour in range(3))[::2, ::2]
        blocks = np.abs(residual).reshape(SIDE // CELL, CELL // 4, SIDE // CELL, CELL // 4).mean((1, 3))
        expected = np.log(2 * blocks / np.abs(kernel).sum() + 0.1)
        np.testing.assert_allclose(found[16 + number], expected, atol=1e-4)


def test_with_a_limit_ruined_pixels_count_less(face):
    ruined = face.copy()
    ruined[::16, ::16] = 255
    shift = {}
    for most in (0.0, 10.0):
        made = network(scales=3, most=most)
        before, after = (made.energies(images([picture]))[0, :-3] for picture in (face, ruined))
        shift[most] = (after - before).abs().mean()
        assert after.exp().max() <= (2 * most + 0.2 if most else 255)
    assert shift[10.0] < 0.7 * shift[0.0]
    plain = network().energies(images([face]))
    assert torch.equal(network(most=255.0).energies(images([face])), plain), "what nothing exceeds changes nothing"


@pytest.mark.parametrize("config", [{"scales": 4}, {"scales": 1}, {"most": -1.0}, {"most": 256.0}])
def test_what_cannot_be_measured_is_refused(config):
    with pytest.raises(UserError, match=next(iter(config))):
        network(**config)


def test_a_blurred_place_has_less_energy_there_and_nowhere_else(face):
    blurred = face.copy()
    blurred[16:48, 16:48] = cv2.GaussianBlur(face, (0, 0), 2)[16:48, 16:48]
    before, after = (network().energies(images([picture]))[0, :32] for picture in (face, blurred))
    inside = np.s_[:, 3:5, 3:5]
    assert (after[inside] < before[inside]).float().mean() > 0.9
    assert torch.equal(after[:, :1], before[:, :1])


def test_the_filters_are_no_part_of_the_state():
    assert not any("filters" in name or "scale" in name for name in network().state_dict())


@pytest.mark.parametrize("config", [{"pixels": 16}, {"widths": (16, 24), "depths": (1, 1)}, {"scales": 3}])
def test_other_sizes_learn_and_are_kept(config, face):
    made = network(**config).train()
    read = images([face, 255 - face])
    made(read).logit.sum().backward()
    assert all(parameter.grad is not None for parameter in made.parameters())
    again = load_network(network_bytes(made.eval()))
    assert torch.equal(again.eval()(read).logit, made(read).logit)
