import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from deepfake_pipeline.degrade import draw_recipe
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.packed import PackedBatch, PackedStream, open_packed, write_packed
from deepfake_pipeline.training.augment import augment
from deepfake_pipeline.training.config import DetectorTraining, EnhancerTraining
from deepfake_pipeline.training.feed import epoch_order, loader
from deepfake_pipeline.training.labelled import LabelledFaces
from deepfake_pipeline.training.restoration import DegradedPairs, FreshlyDegraded, one_recipe_a_face
from tests.conftest import packed


class TestArrays:
    def test_what_was_packed_is_read(self, tmp_path):
        faces = packed(tmp_path / "faces", 10)
        assert len(faces) == 10
        assert isinstance(faces.images, np.memmap)
        assert faces.face_ids[3] == b"000003"
        assert faces.groups[3] == b"g1"

    def test_equal_faces_have_equal_fingerprints(self, tmp_path):
        prints = [packed(tmp_path / str(n), 10, seed=seed).fingerprint() for n, seed in enumerate((0, 0, 1))]
        assert prints[0] == prints[1] != prints[2]

    def test_faces_travel_to_other_processes_by_the_name_of_their_folder(self, tmp_path):
        faces = packed(tmp_path / "faces", 10)
        sent = pickle.dumps(faces)
        assert len(sent) < 1000
        assert isinstance(pickle.loads(sent).images, np.memmap)
        part = replace(faces, images=faces.images[:2], labels=faces.labels[:2])
        assert part.folder is None
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(part)).images, faces.images[:2])

    def test_a_wrong_count_is_an_error(self, tmp_path):
        batch = PackedBatch(np.zeros((1, 8, 8, 3), np.uint8), np.zeros(1, np.int8), ["g"], ["f"])
        with pytest.raises(RuntimeError, match="2 faces were announced and 1 came"):
            write_packed(PackedStream(2, 8, 8, [batch]), tmp_path)

    def test_a_folder_without_arrays_is_named(self, tmp_path):
        with pytest.raises(UserError, match="holds no packed faces"):
            open_packed(tmp_path)


class TestOrder:
    def test_every_face_once(self):
        assert sorted(epoch_order(10, 0, seed=1, epoch=0)) == list(range(10))

    def test_another_epoch_another_order_and_always_the_same(self):
        first, second = epoch_order(50, 0, 1, 0), epoch_order(50, 0, 1, 1)
        assert not np.array_equal(first, second)
        assert np.array_equal(first, epoch_order(50, 0, 1, 0))

    def test_drawing_more_than_there_are_is_even(self):
        counts = np.bincount(epoch_order(10, 25, 1, 0), minlength=10)
        assert counts.sum() == 25
        assert set(counts) == {2, 3}


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_do_not_depend_on_loader_workers(tmp_path, workers):
    faces = packed(tmp_path / "faces", 12)
    feed = FreshlyDegraded(faces, ["jpeg", "salt_and_pepper"], [2, 4], EnhancerTraining(patch=16), seed=3)
    batches = list(loader(feed, 4, epoch=2, seed=3, workers=workers))
    direct = [feed.batch(rows, 2) for rows in np.split(epoch_order(12, 0, 3, 2), 3)]
    for (degraded, wanted), (expected, expected_wanted) in zip(batches, direct, strict=True):
        assert torch.equal(degraded, expected)
        assert torch.equal(wanted.clean, expected_wanted.clean)
        assert torch.equal(wanted.condition, expected_wanted.condition)


def test_labels_stay_with_their_faces(tmp_path):
    faces = packed(tmp_path / "faces", 20)
    for images, labels in loader(LabelledFaces(faces), 6, seed=5):
        for image, label in zip(images, labels, strict=True):
            row = next(r for r in range(20) if np.array_equal(faces.images[r], image.numpy()))
            assert faces.labels[row] == label


class TestRestoration:
    def test_degradation_is_drawn_afresh_each_epoch_and_repeats(self, tmp_path):
        feed = FreshlyDegraded(packed(tmp_path / "f", 8), ["jpeg"], [5], EnhancerTraining(clean_share=0.0), seed=0)
        rows = np.arange(8)
        first, again, later = (feed.batch(rows, epoch)[0] for epoch in (0, 0, 1))
        assert torch.equal(first, again)
        feed_noise = FreshlyDegraded(feed.faces, ["salt_and_pepper"], [5], EnhancerTraining(clean_share=0.0), seed=0)
        assert not torch.equal(feed_noise.batch(rows, 0)[0], feed_noise.batch(rows, 1)[0])
        assert later.shape == first.shape

    def test_patches_are_cut_from_the_same_place(self, tmp_path):
        feed = FreshlyDegraded(packed(tmp_path / "f", 8), ["jpeg"], [1], EnhancerTraining(patch=16, clean_share=1.0), 0)
        degraded, wanted = feed.batch(np.arange(8), 0)
        assert degraded.shape == (8, 16, 16, 3)
        assert torch.equal(degraded, wanted.clean)

    def test_validation_pairs_are_the_recipes(self, tmp_path):
        faces = packed(tmp_path / "f", 6)
        ids = [face.decode() for face in faces.face_ids]
        recipes = [draw_recipe(i, name, s, 0) for i in ids for name in ("jpeg", "gaussian_blur") for s in (1, 5)]
        chosen = one_recipe_a_face(recipes)
        assert [recipe.face_id for recipe in chosen] == ids
        assert len({(recipe.degradation, recipe.severity) for recipe in chosen}) == 4
        pairs = DegradedPairs(faces, chosen)
        assert np.array_equal(pairs.clean, faces.images)
        assert not np.array_equal(pairs.degraded, pairs.clean)


class TestAugment:
    def images(self):
        return torch.rand(64, 3, 24, 24, generator=torch.Generator().manual_seed(0))

    def test_the_same_seed_gives_the_same_faces(self):
        config = DetectorTraining()
        first, second = (augment(self.images(), config, torch.Generator().manual_seed(seed)) for seed in (7, 7))
        assert torch.equal(first, second)
        assert not torch.equal(first, augment(self.images(), config, torch.Generator().manual_seed(8)))

    def test_about_half_are_mirrored_and_nothing_else_without_geometry(self):
        config = DetectorTraining(rotation=0, zoom=0)
        images = self.images()
        changed = augment(images.clone(), config, torch.Generator().manual_seed(0))
        mirrored = [torch.equal(new, old.flip(2)) for new, old in zip(changed, images, strict=True)]
        same = [torch.equal(new, old) for new, old in zip(changed, images, strict=True)]
        assert all(m != s for m, s in zip(mirrored, same, strict=True))
        assert 20 <= sum(mirrored) <= 44

    def test_values_stay_in_range(self):
        config = DetectorTraining(light=0.5, geometry_share=1.0, rotation=45, zoom=0.3)
        changed = augment(self.images(), config, torch.Generator().manual_seed(0))
        assert 0 <= changed.min() <= changed.max() <= 1

    def test_rotation_turns_about_the_centre(self):
        from deepfake_pipeline.training.augment import _turn

        image = torch.zeros(1, 3, 33, 33)
        image[..., 16, 16] = 1
        image[..., 16, 26] = 1
        turned = _turn(image, torch.tensor([0]), torch.tensor([torch.pi / 2]), torch.tensor([1.0]))
        assert turned[0, 0, 16, 16] > 0.9
        assert turned[0, 0, 16, 26] < 0.1
        assert max(turned[0, 0, 6, 16], turned[0, 0, 26, 16]) > 0.9
