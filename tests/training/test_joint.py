import numpy as np
import pytest
import torch

from deepfake_pipeline.degrade import apply, draw_recipe
from deepfake_pipeline.models.run import DetectorRunner, EnhancerRunner
from deepfake_pipeline.models.store import build_network, network_bytes
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.training.config import DetectorTraining, JointTraining
from deepfake_pipeline.training.detector import train_detector
from deepfake_pipeline.training.joint import train_jointly
from deepfake_pipeline.training.result import Runtime
from tests.conftest import packed

RUNTIME = Runtime(accelerator="cpu")
SMALL = {"widths": (4, 8), "steps": 1}


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    root = tmp_path_factory.mktemp("faces")
    return packed(root / "train", 64, seed=1), packed(root / "validation", 24, seed=2)


@pytest.fixture(scope="module")
def recipes(faces):
    return [draw_recipe(face.decode(), "gaussian_blur", 1, 0) for face in faces[1].face_ids]


@pytest.fixture(scope="module")
def detector(faces):
    settings = DetectorTraining(max_epochs=4, batch_size=16, learning_rate=1e-3, precision="float32")
    options = {"network": "cnn3", "network_config": {"image_size": 32}}
    return train_detector(*faces, settings=settings, runtime=RUNTIME, **options).network


def enhancer():
    torch.manual_seed(0)
    return build_network("recurrent_unet", SMALL)


def train(faces, recipes, detector, weight, start=None, **settings):
    config = JointTraining(
        max_epochs=3, batch_size=8, precision="float32", detection_weight=weight, patience=0, **settings
    )
    return train_jointly(
        *faces,
        recipes,
        enhancer=start or enhancer(),
        detector=detector,
        settings=config,
        runtime=RUNTIME,
        degradations=("gaussian_blur",),
        severities=(1,),
    )


def test_the_detector_and_the_enhancer_it_starts_from_stay_as_they_are(faces, recipes, detector):
    start = enhancer()
    before = network_bytes(start), network_bytes(detector)
    fitted = train(faces, recipes, detector, 10.0, start)
    assert (network_bytes(start), network_bytes(detector)) == before
    assert network_bytes(fitted.network) != before[0]
    assert not fitted.network.training


def test_the_weight_pulls_towards_the_detector(faces, recipes, detector):
    without, with_it = (train(faces, recipes, detector, weight).history[-1] for weight in (0.0, 200.0))
    assert with_it["val_cross_entropy"] < without["val_cross_entropy"]
    assert with_it["val_psnr"] < without["val_psnr"]


def test_validation_says_what_the_runners_say(faces, recipes, detector):
    fitted = train(faces, recipes, detector, 10.0)
    kept = min(fitted.history, key=lambda row: row["val_loss"])
    degraded = np.stack([apply(recipe, image) for recipe, image in zip(recipes, faces[1].images, strict=True)])
    runner = EnhancerRunner(fitted.network, "cpu")
    with torch.autocast("cpu", enabled=False):
        probability = DetectorRunner(detector, "cpu").fake_probability(runner.enhance(degraded))
    truth = np.where(faces[1].labels == 1, probability, 1 - probability)
    # the runner rounds to whole levels, and computes in bfloat16 where it can
    assert -np.log(truth).mean() == pytest.approx(kept["val_cross_entropy"], rel=0.05)


def test_equal_calls_give_equal_bytes(faces, recipes, detector):
    one, other = (network_bytes(train(faces, recipes, detector, 10.0).network) for _ in range(2))
    assert one == other


def test_parts_of_faces_are_refused(faces, recipes, detector):
    with pytest.raises(UserError, match="patch is 16"):
        train(faces, recipes, detector, 10.0, patch=16)
