"""Videos are repaired in one way from the first frame to the last."""

import numpy as np
import pytest
import torch

from deepfake_pipeline.media.sampling import spread
from deepfake_pipeline.models.degradation_classifier import DegradationClassifier, DegradationClassifierConfig
from deepfake_pipeline.models.store import build_network
from deepfake_pipeline.restore import REPAIRS
from deepfake_pipeline.restore.choices import Choices
from deepfake_pipeline.restore.router import Router
from deepfake_pipeline.scoring.enhance import FRAMES, Routed, enhance_files
from deepfake_pipeline.tables import Reason
from tests.media.clips import counted, number_of, write_sound, write_video

CONFIG = DegradationClassifierConfig(("salt_and_pepper", "jpeg"), (3,))
PSNR = np.array([[40.0, 30.0], [20.0, 30.0], [30.0, 25.0]])  # by none, salt and pepper, JPEG: nothing, and a median
CHOICES = Choices(CONFIG.cells, ("identity", "median3"), PSNR, PSNR / 100, faces=4, groups=2)
NOISY, BLOCKY = np.eye(3, dtype=np.float32)[1:]


@pytest.fixture
def router():
    torch.manual_seed(0)
    config = {"widths": (4, 8), "steps": 1, "conditions": ("salt_and_pepper", "jpeg")}
    enhancer = build_network("recurrent_unet", config).eval()
    return Router.of(DegradationClassifier(CONFIG).eval(), enhancer, CHOICES, REPAIRS, "cpu")


@pytest.fixture
def looked_at(monkeypatch):
    """Numbers of the frames that are judged; odd ones seem noisy, even ones blocky."""
    numbers = []

    def diagnose(self, picture):
        numbers.append(number_of(picture))
        return NOISY if numbers[-1] % 2 else BLOCKY

    monkeypatch.setattr(Router, "diagnose", diagnose)
    return numbers


def test_all_frames_of_a_video_get_the_repair_of_its_mean(router, looked_at, tmp_path, monkeypatch):
    applied, repair = [], Router.repair

    def noted(self, picture, name=None, chances=None):
        applied.append((number_of(picture), name, chances))
        return repair(self, picture, name, chances)

    monkeypatch.setattr(Router, "repair", noted)
    clip = write_video(tmp_path / "a.mp4", [counted(number) for number in range(30)])
    (done,) = enhance_files([clip], tmp_path / "out", Routed(router))
    assert done.refused is None and done.target.is_file()
    assert looked_at == spread(30, FRAMES)
    odd = sum(number % 2 for number in looked_at) / FRAMES
    assert 0.5 < odd < 1  # even frames by themselves would be left alone
    assert [number for number, _, _ in applied] == list(range(30))
    assert {name for _, name, _ in applied} == {"median3"}
    assert np.array([chances for _, _, chances in applied]) == pytest.approx(np.array([[0, odd, 1 - odd]] * 30))


def test_a_conditional_network_is_told_the_same_of_all_frames(router, looked_at, tmp_path, monkeypatch):
    heard = []
    monkeypatch.setattr(router._enhancer, "enhance", lambda tiles, told: heard.append(told.tolist()) or tiles)
    clip = write_video(tmp_path / "a.mp4", [counted(number) for number in range(5)])
    (done,) = enhance_files([clip], tmp_path / "out", Routed(router, "network"))
    assert done.refused is None
    assert looked_at == list(range(5))
    assert heard == [[[0, pytest.approx(0.6)]]] * 5  # three of five are even: JPEG of severity 3


def test_pictures_are_judged_each_by_itself(router, looked_at):
    repair = Routed(router)
    odd, even = counted(1), counted(2)
    assert np.array_equal(repair(odd), REPAIRS["median3"].apply(odd))
    assert np.array_equal(repair(even), even)
    assert looked_at == [1, 2]


def test_a_video_that_cannot_be_judged_is_refused(router, tmp_path):
    (done,) = enhance_files([write_sound(tmp_path / "s.mp4")], tmp_path / "out", Routed(router))
    assert done.target is None
    assert (done.refused.reason, done.refused.detail) == (Reason.UNSUPPORTED_TYPE, "sound alone, no picture")
