"""The estimator of shadows: its shadow is that of the degradation, and a picture without one is given none."""

import numpy as np
import pytest
import torch

from deepfake_pipeline.degrade.shadow import Shadow
from deepfake_pipeline.models.light_estimator import LightEstimator, LightEstimatorConfig, Shade


@pytest.mark.parametrize(("height", "width"), [(64, 64), (48, 80), (80, 48)])
def test_its_shadow_is_that_of_the_degradation(height, width):
    rng = np.random.default_rng(0)
    for severity in (1, 3, 5):
        shadow = Shadow.draw(severity, rng)
        shade = Shade(
            depth=torch.tensor([shadow.stops / 2.2 * np.log(2)], dtype=torch.float32),
            direction=torch.tensor([[np.cos(shadow.direction), np.sin(shadow.direction)]], dtype=torch.float32),
            offset=torch.tensor([shadow.offset], dtype=torch.float32),
            softness=torch.tensor([shadow.softness], dtype=torch.float32),
        )
        missing = shade.missing(height, width)[0].numpy()
        np.testing.assert_allclose(np.exp(-missing), shadow.gain(height, width), atol=1e-5)
        np.testing.assert_array_equal(shade.missing(height, width, slice(10, 20))[0].numpy(), missing[10:20])


@pytest.mark.parametrize(("height", "width"), [(16, 16), (48, 48), (50, 300)])
def test_any_size_and_every_number_in_its_range(height, width):
    torch.manual_seed(0)
    shade = LightEstimator().eval()(torch.rand(3, 3, height, width))
    assert (shade.depth >= 0).all()
    assert torch.allclose(shade.direction.norm(dim=1), torch.ones(3))
    assert (shade.offset.abs() <= 0.3).all() and (shade.softness >= 0.03).all()
    missing = shade.missing(height, width)
    assert missing.shape == (3, height, width)
    assert (missing >= 0).all() and (missing <= shade.depth[:, None, None] + 1e-5).all()


def test_size():
    assert sum(parameter.numel() for parameter in LightEstimator().parameters()) == 53_189
    assert (
        sum(parameter.numel() for parameter in LightEstimator(LightEstimatorConfig(32, (8, 8), 8)).parameters()) < 6000
    )
