"""The estimator of shadows learns from freshly shaded thumbnails."""

import cv2
import numpy as np
import pytest
import torch

from deepfake_pipeline.models.light_estimator import LightEstimator
from deepfake_pipeline.training.light import FreshlyShaded
from deepfake_pipeline.training.loop import fit
from deepfake_pipeline.training.presets import LIGHT_PRESETS, customised
from deepfake_pipeline.training.result import Runtime
from deepfake_pipeline.training.tasks import LightTask
from tests.conftest import packed

STEPS = (1, 3, 5)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    root = tmp_path_factory.mktemp("faces")
    return packed(root / "train", 64, seed=1), packed(root / "validation", 24, seed=2)


def test_samples_repeat_and_change_by_epoch_unless_fixed(faces):
    rows = np.array([3, 3, 8])
    fresh = FreshlyShaded(faces[0], 24, STEPS, 0.0, seed=1)
    thumbnails, missing = fresh.batch(rows, 0)
    assert thumbnails.shape == (3, 24, 24, 3) and missing.shape == (3, 24, 24)
    assert torch.equal(thumbnails, fresh.batch(rows, 0)[0])
    assert not torch.equal(thumbnails, fresh.batch(rows, 1)[0])
    assert not torch.equal(missing[0], missing[1])
    fixed = FreshlyShaded(faces[0], 24, STEPS, 0.0, seed=1, fixed=True)
    assert torch.equal(fixed.batch(rows, 0)[0], fixed.batch(rows, 1)[0])


def test_what_is_missing_gives_the_face_back(faces):
    thumbnails, missing = FreshlyShaded(faces[0], 32, STEPS, 0.25, seed=0).batch(np.arange(64), 0)
    unshaded = 0
    for row, (shaded, lost) in enumerate(zip(thumbnails.numpy(), missing.numpy(), strict=True)):
        clean = cv2.resize(np.asarray(faces[0].images[row]), (32, 32), interpolation=cv2.INTER_AREA)
        back = np.clip(shaded * np.exp(lost)[..., None], 0, 255)
        gap = min(np.abs(back - one).max() for one in (clean, clean[:, ::-1]))
        assert gap <= 0.51 * np.exp(lost.max()) + 0.01  # half a level, brightened
        unshaded += not lost.any()
    assert 6 <= unshaded <= 28


def test_it_learns_to_take_shadows_back(faces):
    settings = customised(LIGHT_PRESETS["sample"], {"max_epochs": 8, "epoch_faces": 512, "precision": "float32"})
    feeds = [
        FreshlyShaded(part, 48, STEPS, settings.clean_share, 0, fixed)
        for part, fixed in zip(faces, (False, True), strict=True)
    ]
    fitted = fit(LightEstimator, LightTask, *feeds, settings, Runtime(threads=1, accelerator="cpu"))
    shown = feeds[1].batch(np.arange(24), 0)[1]
    nothing = float(shown.square().mean())
    assert min(row["val_loss"] for row in fitted.history) < nothing / 4
