"""Noise of sensors against scipy's distributions."""

import numpy as np
import pytest
from scipy import stats

from deepfake_pipeline.degrade.light import PHOTONS, LowLight
from deepfake_pipeline.degrade.noise import PoissonNoise, WhiteNoise
from deepfake_pipeline.degrade.severity import STEPS
from tests.degrade.pictures import face


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def grey(value: int) -> np.ndarray:
    return np.full((200, 200, 3), value, np.uint8)


@pytest.mark.parametrize("sigma", [0.02, *STEPS["white_noise"].values[:2]])
def test_white_noise_is_normal_and_alone_in_every_value(sigma: float) -> None:
    noise = WhiteNoise(sigma).apply(grey(127), rng()).astype(float) - 127
    spread = np.hypot(255 * sigma, 12**-0.5)  # rounding adds its own
    assert abs(noise.mean()) < 5 * spread / np.sqrt(noise.size)
    assert noise.std() == pytest.approx(spread, rel=0.01)
    cells = np.arange(-3, 4) * 255 * sigma
    found = np.searchsorted(np.sort((noise + rng(1).uniform(-0.5, 0.5, noise.shape)).ravel()), cells) / noise.size
    assert found == pytest.approx(stats.norm.cdf(cells, scale=spread), abs=0.005)
    assert np.abs(np.corrcoef(noise.reshape(-1, 3).T) - np.eye(3)).max() < 0.03
    assert abs(np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]) < 0.02


@pytest.mark.parametrize("photons", STEPS["poisson_noise"].values)
@pytest.mark.parametrize("value", [0, 30, 120])
def test_poisson_noise_counts_photons(photons: float, value: int) -> None:
    noisy = PoissonNoise(photons).apply(grey(value), rng(value))
    law = stats.poisson(value / 255 * photons)
    counts = np.arange(int(photons) + 1)  # brighter than white is white
    levels = np.clip(np.rint(counts * 255 / photons), 0, 255)
    for count, level in zip(counts[:-1], levels[:-1], strict=True):
        assert (noisy == level).mean() == pytest.approx(law.pmf(count), abs=0.01)
    assert (noisy == 255).mean() == pytest.approx(law.sf(counts[-1] - 1), abs=0.01)


@pytest.mark.parametrize("value", [60, 150, 255])
@pytest.mark.parametrize("gamma", [1.5, 2.7])
def test_low_light_follows_its_curve_and_its_noise_grows_with_the_light(value: int, gamma: float) -> None:
    dark = LowLight(gamma, gain=0.7, read_noise=0.004).apply(grey(value), rng()).astype(float)
    expected = 0.7 * (value / 255) ** gamma
    sigma = np.sqrt(expected / PHOTONS + 0.004**2)
    assert dark.mean() == pytest.approx(255 * expected, abs=0.4)
    if expected > 3 * sigma:  # else black cuts the noise off
        assert dark.std() == pytest.approx(np.hypot(255 * sigma, 12**-0.5), rel=0.02)


def test_low_light_is_drawn_as_its_authors_draw_it() -> None:
    drawn = [LowLight.draw(3, rng(seed)) for seed in range(300)]
    gamma = STEPS["low_light"].at(3)
    gains = [light.gain for light in drawn]
    assert {light.gamma for light in drawn} == {gamma}
    assert 0.5 * 0.9**gamma <= min(gains) < 0.5
    assert 0.85 < max(gains) <= 1
    assert LowLight(gamma, 0.7, 0.01).apply(face(), rng()).mean() < 0.5 * face().mean()
