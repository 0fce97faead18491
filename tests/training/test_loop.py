import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from deepfake_pipeline.models.run import DetectorRunner, EnhancerRunner
from deepfake_pipeline.models.store import build_network, network_bytes
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.training import loop
from deepfake_pipeline.training.config import DetectorTraining, EnhancerTraining
from deepfake_pipeline.training.detector import train_detector
from deepfake_pipeline.training.labelled import LabelledFaces
from deepfake_pipeline.training.loop import fit
from deepfake_pipeline.training.presets import DETECTOR_PRESETS, ENHANCER_PRESETS, PRESETS, customised, resolved
from deepfake_pipeline.training.result import Runtime
from deepfake_pipeline.training.tasks import DetectorTask
from tests.conftest import packed

SETTINGS = DetectorTraining(max_epochs=4, batch_size=16, learning_rate=1e-3, precision="float32", geometry_share=0.2)

OUT_OF_RANGE = [
    {"ema_decay": 1.0},
    {"mixup": 0.6},
    {"cutout": 2.0},
    {"self_blend_share": -1.0},
    {"monitor": "val_psnr"},
]
AVERAGED = {"ema_decay": 0.9, "monitor": "val_auroc", "mixup": 0.2, "cutout": 0.5}


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    root = tmp_path_factory.mktemp("faces")
    return packed(root / "train", 96, seed=1), packed(root / "validation", 32, seed=2)


def train(faces, settings=SETTINGS, checkpoints=None, seed=0, dropout=0.0):
    runtime = Runtime(seed=seed, threads=1, accelerator="cpu", checkpoints=checkpoints)
    config = {"image_size": 32, "dropout": dropout}
    return train_detector(*faces, network="cnn3", network_config=config, settings=settings, runtime=runtime)


def digest(fitted):
    return hashlib.sha256(network_bytes(fitted.network)).hexdigest()


def test_a_detector_learns_and_says_how(faces):
    fitted = train(faces)
    assert [row["epoch"] for row in fitted.history] == [0, 1, 2, 3]
    assert fitted.history[-1]["train_loss"] < fitted.history[0]["train_loss"]
    assert max(row["val_auroc"] for row in fitted.history) > 0.95
    validation = faces[1]
    probability = DetectorRunner(fitted.network, "cpu").fake_probability(validation.images)
    loss = -np.mean(np.log(np.where(validation.labels == 1, probability, 1 - probability)))
    assert loss == pytest.approx(min(row["val_loss"] for row in fitted.history), rel=1e-4), "not the best epoch"


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(faces):
    assert digest(train(faces)) == digest(train(faces)) != digest(train(faces, seed=1))


@pytest.mark.parametrize(
    ("epochs_before", "changes", "dropout"),
    [(1, {}, 0.0), (3, {}, 0.0), (2, AVERAGED, 0.0), (1, {}, 0.5), (2, {}, 0.5)],
    ids=["1", "3", "averaged", "dropout, 1", "dropout, 2"],
)
def test_an_interrupted_run_gives_the_bytes_of_an_undisturbed_one(
    faces, tmp_path, monkeypatch, epochs_before, changes, dropout
):
    settings = customised(SETTINGS, changes)
    undisturbed = train(faces, settings, checkpoints=tmp_path / "a", dropout=dropout)
    write_history = loop._HistoryBook.on_train_epoch_end

    def killed(self, trainer, module):
        if trainer.current_epoch == epochs_before:
            raise KeyboardInterrupt
        write_history(self, trainer, module)

    monkeypatch.setattr(loop._HistoryBook, "on_train_epoch_end", killed)
    with pytest.raises((KeyboardInterrupt, SystemExit, FileNotFoundError)):
        train(faces, settings, checkpoints=tmp_path / "b", dropout=dropout)
    monkeypatch.undo()
    resumed = train(faces, settings, checkpoints=tmp_path / "b", dropout=dropout)
    assert digest(resumed) == digest(undisturbed)
    assert resumed.history == undisturbed.history


def test_a_finished_run_is_not_trained_again(faces, tmp_path, monkeypatch):
    first = train(faces, checkpoints=tmp_path)
    monkeypatch.setattr(loop, "_run_trainer", lambda *_: pytest.fail("trained again"))
    assert digest(train(faces, checkpoints=tmp_path)) == digest(first)


def test_other_settings_do_not_find_these_checkpoints(faces, tmp_path):
    train(faces, checkpoints=tmp_path)
    train(faces, customised(SETTINGS, {"learning_rate": 2e-3, "max_epochs": 1}), checkpoints=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_early_stopping_waits_as_long_as_it_was_told(faces):
    settings = customised(SETTINGS, {"max_epochs": 30, "patience": 2, "learning_rate": 0.1})
    history = train(faces, settings).history
    best = min(range(len(history)), key=lambda epoch: history[epoch]["val_loss"])
    assert len(history) < 30
    assert len(history) - 1 - best == 2


def test_the_result_is_the_moving_average_of_the_weights(faces, monkeypatch):
    """Of one epoch, so that its average can be followed step by step."""
    trained = []
    step = torch.optim.Adam.step

    def followed(self, *args, **kwargs):
        result = step(self, *args, **kwargs)
        trained.append(self.param_groups[0]["params"][0].detach().clone())
        return result

    monkeypatch.setattr(torch.optim.Adam, "step", followed)
    fitted = train(faces, customised(SETTINGS, {"max_epochs": 1, "ema_decay": 0.8}))
    assert len(trained) == 6
    average = trained[0]
    for weights in trained[1:]:
        average = 0.8 * average + 0.2 * weights
    torch.testing.assert_close(next(fitted.network.parameters()).detach(), average)


def test_the_best_epoch_is_that_of_the_monitored_figure(faces):
    fitted = train(faces, customised(SETTINGS, {"monitor": "val_auroc", "patience": 0}))
    validation = faces[1]
    probability = DetectorRunner(fitted.network, "cpu").fake_probability(validation.images)
    best = max(row["val_auroc"] for row in fitted.history)
    assert [row["val_auroc"] for row in fitted.history if row["kept"]] == [best]
    assert roc_auc_score(validation.labels, probability) == pytest.approx(best)


def test_an_enhancer_gains_and_is_not_the_identity(tmp_path):
    from deepfake_pipeline.degrade import draw_recipe
    from deepfake_pipeline.training.restoration import DegradedPairs, FreshlyDegraded
    from deepfake_pipeline.training.tasks import EnhancerTask

    train_faces, validation = packed(tmp_path / "t", 64, seed=1), packed(tmp_path / "v", 8, seed=2)
    settings = EnhancerTraining(
        max_epochs=10, batch_size=8, learning_rate=4e-3, patience=0, precision="float32", schedule="one_cycle"
    )
    recipes = [draw_recipe(face.decode(), "salt_and_pepper", 4, 0) for face in validation.face_ids]
    pairs = DegradedPairs(validation, recipes)
    fitted = fit(
        lambda: build_network("recurrent_unet"),
        EnhancerTask,
        FreshlyDegraded(train_faces, ["salt_and_pepper"], [3, 4, 5], settings, 0),
        pairs,
        settings,
        Runtime(threads=1, accelerator="cpu"),
    )
    assert fitted.history[-1]["val_psnr_gain"] > 3
    restored = EnhancerRunner(fitted.network, "cpu").enhance(pairs.degraded)
    assert not np.array_equal(restored, pairs.degraded)


class TestSettings:
    @pytest.mark.parametrize("preset", PRESETS)
    def test_every_preset_exists(self, preset):
        assert DETECTOR_PRESETS[preset].training.max_epochs >= 1
        assert ENHANCER_PRESETS[preset].training.max_epochs >= 1

    def test_papers_recipes_are_kept(self):
        enhancer, paper = ENHANCER_PRESETS["paper"].training, DETECTOR_PRESETS["paper"].training
        assert (enhancer.max_epochs, enhancer.epoch_faces) == (45, 3 * enhancer.batch_size)
        assert (paper.batch_size, paper.max_epochs, paper.optimizer) == (32, 10, "adam")

    def test_what_a_preset_says_of_a_network_gives_way_to_what_the_user_says(self):
        preset = DETECTOR_PRESETS["small"]
        config, settings = resolved(preset, "meso4", {}, {})
        assert config == {"dropout": 0.1}
        assert settings.learning_rate == 4e-3
        config, settings = resolved(preset, "meso4", {"dropout": 0.3}, {"learning_rate": 1e-3})
        assert (config, settings.learning_rate) == ({"dropout": 0.3}, 1e-3)
        assert settings.max_epochs == 16

    @pytest.mark.parametrize(
        "changes", [{"learning_rate": -1.0}, {"batch_size": 0}, {"rotation": 200.0}, {"max_epochs": 0}, *OUT_OF_RANGE]
    )
    def test_values_out_of_range_are_refused(self, changes):
        with pytest.raises(UserError, match=next(iter(changes))):
            customised(SETTINGS, changes)

    def test_unknown_settings_are_refused(self):
        with pytest.raises(UserError, match="unknown setting epoch"):
            customised(SETTINGS, {"epoch": 3})


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_training_runs_on_cuda(faces):
    runtime = Runtime(accelerator="cuda")
    settings = customised(SETTINGS, {"precision": "auto", "compile": True})
    fitted = train_detector(
        *faces, network="cnn3", network_config={"image_size": 32}, settings=settings, runtime=runtime
    )
    assert max(row["val_auroc"] for row in fitted.history) > 0.9


def test_on_a_cpu_nothing_is_compiled(faces, monkeypatch):
    monkeypatch.setattr("torch.compile", lambda *_, **__: pytest.fail("compiled"))
    train_detector(
        *faces,
        network="cnn3",
        network_config={"image_size": 32},
        settings=customised(SETTINGS, {"max_epochs": 1, "compile": True}),
        runtime=Runtime(accelerator="cpu"),
    )


def test_a_feed_of_one_face_left_over_is_trained_without_it(tmp_path):
    faces = packed(tmp_path / "t", 17, seed=1), packed(tmp_path / "v", 8, seed=2)
    runtime = Runtime(accelerator="cpu")
    settings = customised(SETTINGS, {"max_epochs": 1})
    fitted = fit(
        lambda: build_network("meso4", {"image_size": 32}),
        DetectorTask,
        LabelledFaces(faces[0]),
        LabelledFaces(faces[1]),
        settings,
        runtime,
    )
    assert len(fitted.history) == 1


def test_training_needs_neither_kedro_nor_pydantic():
    blocked = ("kedro", "kedro_mlflow", "mlflow", "pydantic")
    code = (
        "import sys\n"
        f"for name in {blocked!r}: sys.modules[name] = None\n"
        "import deepfake_pipeline.training.__main__, deepfake_pipeline.training.detector\n"
        "import deepfake_pipeline.training.enhancer\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
