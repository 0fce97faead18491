"""An ensemble is trained member by member, and each is brought to its own temperature."""

import dataclasses
import hashlib
import logging

import numpy as np
import pytest
import torch

from deepfake_pipeline.models.run import DetectorRunner
from deepfake_pipeline.models.store import load_network, network_bytes
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.training.config import DetectorTraining
from deepfake_pipeline.training.detector import TEMPERATURES, _shared_out, fit_temperature, train_detector
from deepfake_pipeline.training.result import Runtime
from tests.conftest import packed

SMALL = {"image_size": 32, "stem": 8, "widths": [8, 8], "depths": [1, 1], "dropout": 0.0}
MEMBERS = [{"name": "resnet_small", "config": SMALL}, {"name": "resnet_small", "config": {**SMALL, "stem_stride": 4}}]
SETTINGS = DetectorTraining(max_epochs=3, batch_size=16, learning_rate=3e-3, precision="float32")


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    root = tmp_path_factory.mktemp("faces")
    return packed(root / "train", 96, seed=1), packed(root / "validation", 48, seed=2)


def trained(faces, network, config, seed=0, threads=1, **runtime):
    options = Runtime(seed=seed, threads=threads, accelerator="cpu", **runtime)
    return train_detector(*faces, network=network, network_config=config, settings=SETTINGS, runtime=options)


def test_members_are_those_trained_alone_with_seeds_of_their_own(faces):
    fitted = trained(faces, "ensemble", {"members": MEMBERS}, seed=3)
    alone = [trained(faces, "resnet_small", one["config"], seed) for seed, one in zip((3, 4), MEMBERS, strict=True)]
    for member, other in zip(fitted.network.members, alone, strict=True):
        digests = {hashlib.sha256(network_bytes(one)).hexdigest() for one in (member, other.network)}
        assert len(digests) == 1
    assert [row["member"] for row in fitted.history] == [0, 0, 0, 1, 1, 1]
    assert [row["epoch"] for row in fitted.history] == list(range(6))
    assert sum(row["kept"] for row in fitted.history) == 2
    images = faces[1].images[:]
    each = [DetectorRunner(one.network, "cpu").judge(images).logit for one in alone]
    warmth = [fit_temperature(one.network, faces[1], "cpu") for one in alone]
    mean = np.mean([logit / temperature for logit, temperature in zip(each, warmth, strict=True)], axis=0)
    again = load_network(network_bytes(fitted.network))
    np.testing.assert_allclose(DetectorRunner(again, "cpu").judge(images).logit, mean, atol=1e-4)


def test_members_trained_at_once_are_those_trained_one_after_the_other(faces, caplog):
    with caplog.at_level(logging.INFO, logger="deepfake_pipeline"):
        at_once = trained(faces, "ensemble", {"members": MEMBERS}, seed=3, threads=2)
    said = [record.getMessage() for record in caplog.records if "epoch" in record.getMessage()]
    assert len(said) == 6
    assert {line.split(":")[0] for line in said} == {"member 1", "member 2"}
    one_by_one = trained(faces, "ensemble", {"members": MEMBERS}, seed=3)
    assert network_bytes(at_once.network) == network_bytes(one_by_one.network)
    assert at_once.history == one_by_one.history


def test_an_error_of_a_member_is_told(faces):
    with pytest.raises(UserError, match="unknown degradation"):
        train_detector(
            *faces,
            network="ensemble",
            network_config={"members": MEMBERS},
            settings=dataclasses.replace(SETTINGS, degraded_share=0.5, degradations=("rain",)),
            runtime=Runtime(threads=2, accelerator="cpu"),
        )


@pytest.mark.parametrize(
    ("threads", "members", "expected"), [(1, 3, (1, 1)), (2, 3, (1, 3)), (8, 3, (2, 3)), (2, 6, (1, 3))]
)
def test_threads_are_shared_among_members(threads, members, expected):
    shared, at_once = _shared_out(Runtime(threads=threads, accelerator="cpu"), members)
    assert (shared.threads, at_once) == expected


def test_a_killed_ensemble_goes_on_with_the_member_that_is_not_done(faces, tmp_path, monkeypatch):
    trained(faces, "resnet_small", SMALL, seed=3, checkpoints=tmp_path)
    built = []
    from deepfake_pipeline.training import loop

    run = loop._run_trainer
    monkeypatch.setattr(loop, "_run_trainer", lambda *args: built.append(args) or run(*args))
    trained(faces, "ensemble", {"members": MEMBERS}, seed=3, checkpoints=tmp_path)
    assert len(built) == 1


def test_the_temperature_is_the_one_of_least_log_loss(faces):
    network = trained(faces, "resnet_small", SMALL).network
    first = fit_temperature(network, faces[1], "cpu")
    assert TEMPERATURES[0] < first < TEMPERATURES[-1] / 2  # neither temperature lies at an end of the grid
    with torch.no_grad():
        network.head.weight.mul_(2)
        network.head.bias.mul_(2)
    step = TEMPERATURES[1] / TEMPERATURES[0]
    assert fit_temperature(network, faces[1], "cpu") == pytest.approx(2 * first, rel=step - 1)
