"""The gate of a release, with detectors whose figures are known."""

import numpy as np
import pytest
import torch
from torch import nn

from deepfake_pipeline.faces.geometry import CropGeometry
from deepfake_pipeline.faces.params import FaceParams
from deepfake_pipeline.models.detector import DetectorOutput
from deepfake_pipeline.scoring.gate import judge_candidate
from deepfake_pipeline.scoring.release import Release
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.packed import PackedBatch, PackedStream, open_packed, write_packed

OPTIONS = {"resamples": 500, "confidence": 0.95, "seed": 0, "accelerator": "cpu"}


class Planted(nn.Module):
    """Reads its score from a pixel: green of a good one, blue of a poor one."""

    image_size = 16

    def __init__(self, channel):
        super().__init__()
        self.channel = channel

    def forward(self, images):
        return DetectorOutput(images[:, self.channel].mean((1, 2)), images, images.flatten(1))


def release(name, channel):
    geometry = CropGeometry(kind="given", height=16, width=16, faces=FaceParams())
    return Release(name, Planted(channel), geometry, 0.5)


GOOD, POOR = 1, 2


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    rng = np.random.default_rng(0)
    labels = (np.arange(300) % 2).astype(np.int8)
    images = np.zeros((300, 16, 16, 3), np.uint8)
    for channel, share in ((GOOD, 0.9), (POOR, 0.2)):
        scores = share * labels + (1 - share) * rng.random(300)
        images[..., channel] = (scores * 255).astype(np.uint8)[:, None, None]
    folder = tmp_path_factory.mktemp("packed") / "calibration"
    folder.mkdir()
    groups = [f"g{row // 2}" for row in range(300)]
    batch = PackedBatch(images, labels, groups, [f"{row:04d}" for row in range(300)])
    write_packed(PackedStream(300, 16, 16, [batch]), folder)
    return open_packed(folder)


def verdict(faces, candidate, champion, rule="not_worse", force=False):
    return judge_candidate(candidate, champion, faces, rule=rule, force=force, **OPTIONS)


def test_the_first_candidate_passes(faces):
    said = verdict(faces, release("new", POOR), None, rule="better")
    assert said["champion"] is None
    assert said["kept"]
    assert said["calibration_faces"] == 300


def test_the_change_is_that_of_the_two_aurocs(faces):
    from sklearn.metrics import roc_auc_score

    said = verdict(faces, release("new", GOOD), release("old", POOR))
    expected = [roc_auc_score(faces.labels, faces.images[:, 0, 0, channel]) for channel in (GOOD, POOR)]
    assert said["auroc"]["value"] == pytest.approx(expected[0])
    assert said["champion_auroc"]["value"] == pytest.approx(expected[1])
    assert said["auroc_change"]["value"] == pytest.approx(expected[0] - expected[1])
    assert 0 < said["auroc_change"]["low"] < said["auroc_change"]["value"] < said["auroc_change"]["high"]


@pytest.mark.parametrize(
    ("new", "old", "rule", "passes"),
    [
        (GOOD, POOR, "not_worse", True),
        (GOOD, POOR, "better", True),
        (GOOD, GOOD, "not_worse", True),
        (GOOD, GOOD, "better", False),
        (POOR, GOOD, "not_worse", False),
        (POOR, GOOD, "any", True),
    ],
)
def test_the_rule_decides(faces, new, old, rule, passes):
    candidate, champion = release("new", new), release("old", old)
    if passes:
        said = verdict(faces, candidate, champion, rule)
        assert said["kept"]
        assert not said["forced"]
    else:
        with pytest.raises(UserError, match="champion old; on 300 calibration faces") as caught:
            verdict(faces, candidate, champion, rule)
        assert "\n" not in str(caught.value)


def test_force_overrides_and_is_recorded(faces):
    said = verdict(faces, release("new", POOR), release("old", GOOD), force=True)
    assert not said["kept"]
    assert said["forced"]
    assert torch.tensor(said["auroc_change"]["high"]) < 0
