"""What the group ``restoration`` says, and what it refuses."""

import pytest
from pydantic import ValidationError

from deepfake_pipeline.pipelines.restoration.params import RestorationParams
from deepfake_pipeline.restore import REPAIRS
from deepfake_pipeline.tables.errors import UserError


def test_identity_is_always_tried():
    assert list(RestorationParams().classical) == list(REPAIRS)
    few = RestorationParams(left_out=("identity", "wavelet")).classical
    assert list(few) == [name for name in REPAIRS if name != "wavelet"]


def test_settings_of_the_preset_are_replaced():
    settings = RestorationParams(preset="sample", training={"max_epochs": 3}).settings
    assert (settings.max_epochs, settings.batch_size) == (3, 16)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"left_out": ["sharpen"]}, "unknown repair sharpen"),
        ({"network_config": {"severities": [1]}}, "in the group degradation"),
        ({"network_config": {"depth": 3}}, "has no depth"),
        ({"training": {"epochs": 3}}, "unknown setting epochs"),
        ({"preset": "paper"}, "sample"),
        ({"tolerance": 300}, "255"),
    ],
)
def test_what_is_wrong_is_named(wrong, words):
    with pytest.raises((ValidationError, UserError), match=words):
        RestorationParams.model_validate(wrong)
