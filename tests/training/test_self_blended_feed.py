import numpy as np
import pytest

from deepfake_pipeline.forge.self_blend import SelfBlender, SelfBlendParams
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.training.config import DetectorTraining
from deepfake_pipeline.training.detector import train_detector
from deepfake_pipeline.training.labelled import LabelledFaces, SelfBlendedFaces
from deepfake_pipeline.training.result import Runtime

FORGER = SelfBlender(SelfBlendParams())
# two real and one forged face in each of 20 groups, and one group of a forged face alone
LABELS = np.array([0, 1, 0] * 20 + [1], np.int8)
GROUPS = np.array([f"g{row // 3:02d}".encode() for row in range(61)], "S64")


@pytest.fixture(scope="module")
def faces():
    images = np.random.default_rng(0).integers(0, 256, (61, 32, 32, 3), dtype=np.uint8)
    return PackedFaces(images, LABELS, GROUPS, np.array([f"f{row}".encode() for row in range(61)], "S64"))


def batch(feed, rows=range(61), epoch=0):
    pictures, labels = feed.batch(np.array(rows), epoch)
    return pictures.numpy(), labels.numpy()


def test_forgeries_are_blends_of_a_real_face_of_their_group(faces):
    pictures, labels = batch(SelfBlendedFaces(faces, FORGER, 1.0, seed=0))
    assert np.array_equal(labels, LABELS)
    for row in np.flatnonzero(LABELS[:60]):
        same = [np.mean(pictures[row] == pictures[real]) for real in (row - 1, row + 1)]
        assert max(same) > 0.3, "equal to neither real face outside of the mask"
        assert min(same) < 0.05 and max(same) < 1


def test_forgeries_without_a_real_face_stay(faces):
    pictures, _ = batch(SelfBlendedFaces(faces, FORGER, 1.0, seed=0))
    assert np.array_equal(pictures[60], faces.images[60])


def test_a_sample_does_not_depend_on_its_batch(faces):
    feed = SelfBlendedFaces(faces, FORGER, 0.5, seed=3)
    together, _ = batch(feed)
    alone = np.concatenate([batch(feed, [row])[0] for row in range(61)])
    assert np.array_equal(together, alone)


def test_other_epochs_and_seeds_make_other_forgeries(faces):
    first = batch(SelfBlendedFaces(faces, FORGER, 1.0, seed=0))[0]
    assert np.array_equal(first, batch(SelfBlendedFaces(faces, FORGER, 1.0, seed=0))[0])
    for other in (
        batch(SelfBlendedFaces(faces, FORGER, 1.0, seed=0), epoch=1),
        batch(SelfBlendedFaces(faces, FORGER, 1.0, 1)),
    ):
        assert not np.array_equal(first, other[0])


def test_as_many_groups_are_blended_as_wanted(faces):
    plain = batch(LabelledFaces(faces))[0]
    assert np.array_equal(batch(SelfBlendedFaces(faces, FORGER, 0.0, seed=0))[0], plain)
    feed = SelfBlendedFaces(faces, FORGER, 0.4, seed=0)
    changed = [
        not np.array_equal(batch(feed, [row], epoch)[0][0], plain[row])
        for epoch in range(8)
        for row in np.flatnonzero(LABELS[:60])
    ]
    assert np.mean(changed) == pytest.approx(0.4, abs=0.12)


def test_without_a_forger_the_setting_is_refused_in_one_line(faces):
    with pytest.raises(UserError, match=r"self_blend_share is 0\.5"):
        train_detector(
            faces,
            faces,
            network="meso4",
            network_config={},
            settings=DetectorTraining(self_blend_share=0.5),
            runtime=Runtime(),
        )


def test_a_forger_says_how_it_forges():
    """Checkpoints are named by it."""
    assert repr(SelfBlender(SelfBlendParams())) == repr(SelfBlender(SelfBlendParams()))
    assert "margin=0.35" in repr(SelfBlender(SelfBlendParams(margin=0.35)))
