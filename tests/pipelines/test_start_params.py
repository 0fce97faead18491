"""What the rendered set trains goes on from the packaged networks: they are of the form that its parameters ask for."""

from pathlib import Path

import yaml

from deepfake_pipeline.models.store import load_network, network_config, packaged_network
from deepfake_pipeline.pipelines.enhancer_training.params import EnhancerParams
from deepfake_pipeline.restore import MADE_FOR

CONF = Path(__file__).parents[2] / "conf/base"


def group(name):
    return yaml.safe_load((CONF / f"parameters_{name}.yml").read_text())[name]


def test_the_classifier_is_of_the_packaged_form():
    known, wanted = group("degradation"), group("restoration")
    form = {"degradations": tuple(known["names"]), "severities": tuple(known["severities"]), "light": True}
    assert wanted["start"] == "packaged"
    config = network_config("degradation_classifier", {**wanted["network_config"], **form})
    assert load_network(packaged_network("router")).config == config


def test_the_enhancer_is_of_the_packaged_form():
    params = EnhancerParams.model_validate(group("enhancer_training"))
    names = tuple(group("degradation")["names"])
    form, settings = params.resolved
    assert params.start == "packaged"
    assert settings.conditional and settings.follows
    config = network_config(
        params.network, {**form, "conditions": names, "repairs": tuple(MADE_FOR[name] for name in names)}
    )
    assert load_network(packaged_network("enhancer")).config == config
