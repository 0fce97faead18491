import numpy as np
import pytest
import torch

from deepfake_pipeline.models.store import network_bytes
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.training.config import DetectorTraining
from deepfake_pipeline.training.degraded import DegradedFaces
from deepfake_pipeline.training.detector import train_detector
from deepfake_pipeline.training.feed import loader
from deepfake_pipeline.training.labelled import LabelledFaces, LocatedFaces
from deepfake_pipeline.training.result import Runtime
from tests.conftest import packed

LABELS = np.array([0, 1] * 40, np.int8)
GROUPS = np.array([f"g{row // 2:02d}".encode() for row in range(80)], "S64")
NAMES = ("gaussian_blur", "white_noise", "jpeg")


@pytest.fixture(scope="module")
def faces():
    images = np.random.default_rng(0).integers(0, 256, (80, 32, 32, 3), dtype=np.uint8)
    images[1::2] = images[::2]  # a group's faces are equal, so that degraded alike they stay equal
    return PackedFaces(images, LABELS, GROUPS, np.array([f"f{row}".encode() for row in range(80)], "S64"))


def degraded(faces, share=0.5, chain_share=0.25, seed=0):
    return DegradedFaces(LabelledFaces(faces), NAMES, (2, 4), share, chain_share, seed)


def pictures_of(feed, rows=range(80), epoch=0):
    return feed.batch(np.array(rows), epoch)[0].numpy()


def changed(feed, faces, epoch=0):
    return np.any(pictures_of(feed, epoch=epoch) != faces.images, axis=(1, 2, 3))


def test_labels_and_clusters_are_those_of_the_feed(faces):
    feed = degraded(faces)
    assert len(feed) == 80
    assert np.array_equal(feed.clusters, faces.groups)
    rows = np.random.default_rng(1).permutation(80)
    assert np.array_equal(feed.batch(rows, 0)[1].numpy(), LABELS[np.sort(rows)])


def test_the_faces_on_disk_stay_as_they_are(faces):
    before = faces.images.copy()
    pictures_of(degraded(faces, share=1.0))
    assert np.array_equal(faces.images, before)


def test_as_many_groups_are_degraded_as_wanted(faces):
    assert not changed(degraded(faces, share=0.0), faces).any()
    assert changed(degraded(faces, share=1.0), faces).all()
    shares = [changed(degraded(faces, share=0.3), faces, epoch).mean() for epoch in range(20)]
    assert np.mean(shares) == pytest.approx(0.3, abs=0.07), "three standard errors of 800 draws are 0.05"


def test_faces_of_a_group_are_degraded_alike(faces):
    pictures = pictures_of(degraded(faces, share=1.0))
    assert np.array_equal(pictures[::2], pictures[1::2])


def test_a_sample_depends_on_seed_epoch_and_group_alone(faces):
    feed = degraded(faces)
    together = pictures_of(feed, epoch=3)
    assert np.array_equal(together, np.concatenate([pictures_of(feed, [row], 3) for row in range(80)]))
    assert np.array_equal(together, pictures_of(degraded(faces), epoch=3))
    assert not np.array_equal(together, pictures_of(feed, epoch=4))
    assert not np.array_equal(together, pictures_of(degraded(faces, seed=1), epoch=3))


def test_the_number_of_loader_workers_changes_nothing(faces):
    alone, shared = (
        [pictures.numpy() for pictures, _ in loader(degraded(faces), 16, epoch=1, seed=0, workers=workers)]
        for workers in (0, 1)
    )
    assert all(np.array_equal(one, other) for one, other in zip(alone, shared, strict=True))


def test_chains_go_through_more_than_one_degradation(faces):
    feed = degraded(faces, chain_share=1.0)
    lengths = [len(feed._chain(epoch, "g")) for epoch in range(200)]
    assert max(lengths) > 1
    assert {len(degraded(faces, chain_share=0.0)._chain(epoch, "g")) for epoch in range(200)} == {1}


def test_a_detector_is_trained_with_and_without(tmp_path):
    faces = packed(tmp_path / "train", 32, seed=1), packed(tmp_path / "validation", 16, seed=2)

    def trained(share, names=NAMES):
        settings = DetectorTraining(max_epochs=1, batch_size=16, precision="float32", degraded_share=share)
        options = {"network": "cnn3", "network_config": {"image_size": 32}, "degradations": names}
        fitted = train_detector(*faces, settings=settings, runtime=Runtime(accelerator="cpu"), **options)
        return network_bytes(fitted.network)

    assert trained(0.5) == trained(0.5)
    assert len({trained(0.0), trained(0.5), trained(0.5, names=("shadow",))}) == 3


def test_the_altered_region_stays_where_it_is(tmp_path):
    located = LocatedFaces(packed(tmp_path / "f", 12), None, 0.0, 0.0, seed=0)
    before, _ = located.batch(np.arange(12), 0)
    after, targets = DegradedFaces(located, ["gaussian_blur"], [5], 1.0, 0.0, seed=0).batch(np.arange(12), 0)
    assert torch.equal(before[..., 3], after[..., 3])
    assert not torch.equal(before[..., :3], after[..., :3])
    assert targets.labels.tolist() == located.faces.labels.tolist()


def test_the_settings_may_name_their_own_degradations(tmp_path):
    faces = packed(tmp_path / "f", 12)
    with pytest.raises(UserError, match="unknown degradation rust"):
        train_detector(
            faces,
            faces,
            network="meso4",
            network_config={"image_size": 32},
            settings=DetectorTraining(degraded_share=0.5, degradations=("rust",)),
            runtime=Runtime(),
        )
