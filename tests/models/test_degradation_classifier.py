import numpy as np
import pytest
import torch

from deepfake_pipeline.models.degradation_classifier import DegradationClassifier, DegradationClassifierConfig, HighPass
from deepfake_pipeline.models.store import build_network, load_network, network_bytes, parameter_count
from deepfake_pipeline.tables.errors import UserError

CONFIG = DegradationClassifierConfig(("jpeg", "shadow"), (1, 3, 5))
FOUR = {"degradations": ("a", "b", "c", "d"), "severities": (1, 2, 3, 4, 5)}
FOURTEEN = {**FOUR, "degradations": tuple("abcdefghijklmn")}


def test_cells_are_none_and_then_every_degradation_at_every_severity():
    assert CONFIG.cells == (
        ("none", 0),
        ("jpeg", 1),
        ("jpeg", 3),
        ("jpeg", 5),
        ("shadow", 1),
        ("shadow", 3),
        ("shadow", 5),
    )


def test_it_is_small():
    assert parameter_count(build_network("degradation_classifier", FOUR)) == 161_877
    assert parameter_count(build_network("degradation_classifier", FOURTEEN)) < 200_000


@pytest.mark.parametrize(("height", "width"), [(16, 16), (33, 57), (224, 160)])
def test_any_size_gives_a_diagnosis(height, width):
    torch.manual_seed(0)
    told = DegradationClassifier(CONFIG).eval()(torch.rand(2, 3, height, width))
    assert (told.cells.shape, told.degradations.shape, told.severity.shape) == ((2, 7), (2, 3), (2,))
    assert bool(((told.severity >= 0) & (told.severity <= 5)).all())


def test_the_parts_of_a_diagnosis_agree():
    torch.manual_seed(0)
    told = DegradationClassifier(CONFIG).eval()(torch.rand(3, 3, 32, 32))
    chances = told.cells.softmax(dim=1)
    summed = torch.stack([chances[:, 0], chances[:, 1:4].sum(1), chances[:, 4:].sum(1)], dim=1)
    torch.testing.assert_close(told.degradations.softmax(dim=1), summed)
    torch.testing.assert_close(told.severity, chances @ torch.tensor([0.0, 1, 3, 5, 1, 3, 5]))


def test_high_frequencies_leave_out_what_is_flat_or_slopes_evenly():
    ramp = torch.linspace(0, 0.05, 12).expand(1, 3, 12, 12)
    response = HighPass()(ramp)[..., 1:-1, 1:-1]
    assert float(response[:, :3].abs().max()) < 1e-6
    slope = 0.05 / 11 * HighPass.gain
    torch.testing.assert_close(response[:, 3], torch.full((1, 10, 10), slope), atol=1e-6, rtol=1e-4)
    assert float(response[:, 4].abs().max()) < 1e-6


def test_a_stored_one_tells_the_same():
    torch.manual_seed(0)
    network = DegradationClassifier(CONFIG).eval()
    again = load_network(network_bytes(network))
    images = torch.from_numpy(np.random.default_rng(0).random((1, 3, 24, 24), np.float32))
    assert again.config == CONFIG
    assert torch.equal(again(images).cells, network(images).cells)


def test_it_has_to_be_told_what_to_tell_apart():
    with pytest.raises(UserError, match="has no"):
        build_network("degradation_classifier", {**FOUR, "depth": 3})
