"""Faces whose altered region is known."""

import cv2
import numpy as np
import pytest
import torch

from deepfake_pipeline.forge.self_blend import SelfBlender, SelfBlendParams
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.training.augment import augment, cutout
from deepfake_pipeline.training.config import DetectorTraining
from deepfake_pipeline.training.detector import train_detector
from deepfake_pipeline.training.labelled import LocatedFaces, altered_share, partly_forged
from deepfake_pipeline.training.result import Runtime

SIDE = 64
INSIDE = (slice(20, 44), slice(16, 48))
GROUPS = 12


def picture(seed):
    noise = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)


def forgery_of(real):
    """Other values in a rectangle, and the compression of another file everywhere."""
    forged = real.copy()
    forged[INSIDE] = 255 - forged[INSIDE] // 2
    return cv2.imdecode(cv2.imencode(".jpg", forged, [cv2.IMWRITE_JPEG_QUALITY, 95])[1], cv2.IMREAD_COLOR)


@pytest.fixture(scope="module")
def faces():
    """Each group: a real face and its forgery of the same frame; then one group with a forgery of another frame, and
    one of a forged face alone."""
    images, labels, groups = [], [], []
    for group in range(GROUPS):
        real = picture(group)
        images += [real, forgery_of(real)]
        labels += [0, 1]
        groups += [f"g{group:02d}"] * 2
    images += [picture(100), picture(101), picture(102)]
    labels += [0, 1, 1]
    groups += ["other frame"] * 2 + ["alone"]
    ids = np.array([f"f{row}".encode() for row in range(len(images))], "S64")
    return PackedFaces(
        np.stack(images), np.array(labels, np.int8), np.array([name.encode() for name in groups], "S64"), ids
    )


def located(faces, partial=0.0, share=0.0, seed=0):
    forger = SelfBlender(SelfBlendParams()) if share else None
    return LocatedFaces(faces, forger, share, partial, seed)


def batch(feed, rows=None, epoch=0):
    pictures, targets = feed.batch(np.arange(len(feed)) if rows is None else np.array(rows), epoch)
    return pictures.numpy(), targets


class TestRegions:
    def test_a_forgery_differs_where_the_forger_was_at_work(self, faces):
        pictures, targets = batch(located(faces))
        assert np.array_equal(targets.labels, faces.labels)
        assert np.array_equal(pictures[..., :3], faces.images)
        for row in range(1, 2 * GROUPS, 2):
            share = pictures[row, ..., 3] / 255
            assert share[24:40, 20:44].mean() > 0.95
            assert share[:12].mean() < 0.02 and share[-12:].mean() < 0.02

    def test_nothing_of_a_real_face_is_altered(self, faces):
        pictures, targets = batch(located(faces))
        real = faces.labels == 0
        assert not pictures[real][..., 3].any()
        assert targets.known[torch.from_numpy(real)].all()

    def test_without_a_picture_of_the_same_frame_the_region_is_unknown(self, faces):
        _, targets = batch(located(faces))
        assert targets.known.tolist() == [1.0] * (2 * GROUPS) + [1.0, 0.0, 0.0]

    def test_a_forgery_painted_faintly_is_found_by_its_own_measure(self):
        real = picture(0) // 2
        forged = real.copy()
        forged[INSIDE] += 10  # less than what counts as altered in a bold forgery
        share = altered_share(forged, real) / 255
        assert share[24:40, 20:44].mean() > 0.95
        assert share[:12].max() == 0 and share[-12:].max() == 0

    def test_what_compression_alone_may_have_done_is_not_known(self, faces):
        stored = cv2.imdecode(
            cv2.imencode(".jpg", faces.images[0], [cv2.IMWRITE_JPEG_QUALITY, 95])[1], cv2.IMREAD_COLOR
        )
        assert not altered_share(stored, faces.images[0]).any()
        pair = PackedFaces(np.stack([faces.images[0], stored]), faces.labels[:2], faces.groups[:2], faces.face_ids[:2])
        _, targets = batch(located(pair))
        assert targets.labels.tolist() == [0.0, 1.0]
        assert targets.known.tolist() == [1.0, 0.0]

    def test_faces_of_a_group_are_marked_alike(self, faces):
        _, targets = batch(located(faces), [5, 2, 4])
        assert targets.alike.tolist() == [0, 1, 1]  # rows 2, 4, 5: ascending

    def test_of_a_blend_the_region_is_where_it_differs_from_its_target(self, faces):
        pictures, targets = batch(located(faces, share=1.0))
        assert targets.known[: 2 * GROUPS + 2].all(), "of a blend it is always known"
        for row in range(1, 2 * GROUPS, 2):
            assert np.array_equal(
                pictures[row, ..., 3], altered_share(pictures[row, ..., :3], pictures[row - 1, ..., :3])
            )


class TestPartialForgeries:
    def test_they_lie_between_the_forgery_and_the_original(self):
        real, rng = picture(0), np.random.default_rng(0)
        forged = forgery_of(real)
        low, high = np.minimum(real, forged), np.maximum(real, forged)
        gap = np.abs(forged.astype(int) - real).sum()
        kept = []
        for _ in range(60):
            part = partly_forged(forged, real, rng)
            assert ((low <= part) & (part <= high)).all()
            kept.append(np.abs(part.astype(int) - real).sum() / gap)
        assert min(kept) > 0.24
        assert np.mean(np.array(kept) < 0.9) > 0.5, "most draws leave a part out"

    def test_as_many_as_wanted_and_another_part_each_epoch(self, faces):
        forged = np.arange(1, 2 * GROUPS, 2)
        feed = located(faces, partial=0.5)
        changed = [
            (batch(feed, [row], epoch)[0][0, ..., :3] != faces.images[row]).any()
            for epoch in range(20)
            for row in forged
        ]
        everything = [
            (batch(located(faces, partial=1.0), [row], epoch)[0][0, ..., :3] != faces.images[row]).any()
            for epoch in range(20)
            for row in forged
        ]
        assert np.mean(changed) == pytest.approx(np.mean(everything) / 2, abs=0.1)
        assert not np.array_equal(batch(located(faces, 1.0), epoch=0)[0], batch(located(faces, 1.0), epoch=1)[0])

    def test_a_sample_does_not_depend_on_its_batch(self, faces):
        feed = located(faces, partial=0.7, share=0.3, seed=2)
        together, _ = batch(feed, epoch=3)
        alone = np.concatenate([batch(feed, [row], epoch=3)[0] for row in range(len(feed))])
        assert np.array_equal(together, alone)


class TestChangesTogether:
    def images(self):
        one = torch.rand(8, 4, 24, 24, generator=torch.Generator().manual_seed(1))
        return one.repeat_interleave(2, dim=0)

    def test_faces_of_one_number_are_changed_alike(self):
        config = DetectorTraining(light=0.2, tint=0.2, cutout=0.7, geometry_share=1.0)
        alike = torch.arange(8).repeat_interleave(2)
        changed = augment(self.images(), config, torch.Generator().manual_seed(3), alike)
        assert torch.equal(changed[::2], changed[1::2])
        apart = augment(self.images(), config, torch.Generator().manual_seed(3))
        assert not torch.equal(apart[::2], apart[1::2])

    def test_the_altered_share_moves_with_its_face_and_keeps_its_values(self):
        config = DetectorTraining(light=0.2, tint=0.2, rotation=0, zoom=0)
        images = self.images()
        changed = augment(images.clone(), config, torch.Generator().manual_seed(0))
        for new, old in zip(changed, images, strict=True):
            assert torch.equal(new[3], old[3]) or torch.equal(new[3], old[3].flip(1))
            assert not torch.equal(new[:3], old[:3])

    def test_what_is_painted_over_is_not_altered(self):
        images = self.images()
        painted = cutout(images, 1.0, torch.Generator().manual_seed(0))
        hidden = (painted[:, :3] != images[:, :3]).all(1)
        assert hidden.any((1, 2)).all()
        assert not painted[:, 3][hidden].any()
        assert torch.equal(painted[:, 3][~hidden], images[:, 3][~hidden])

    def test_tint_keeps_the_range_and_changes_colours_only_when_asked(self):
        images = torch.rand(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        still = DetectorTraining(flip=False, rotation=0, zoom=0)
        assert torch.equal(augment(images, still, torch.Generator().manual_seed(0)), images)
        strong = DetectorTraining(flip=False, rotation=0, zoom=0, tint=0.9)
        changed = augment(images, strong, torch.Generator().manual_seed(0))
        assert 0 <= changed.min() <= changed.max() <= 1
        assert not torch.equal(changed, images)


class TestTraining:
    def train(self, faces, **settings):
        return train_detector(
            faces,
            faces,
            network="meso4",
            network_config={"image_size": 64},
            settings=DetectorTraining(max_epochs=3, batch_size=8, learning_rate=3e-3, precision="float32", **settings),
            runtime=Runtime(seed=1),
        )

    def test_the_pointer_shapes_the_network_and_is_not_kept(self, faces):
        plain, pointing = self.train(faces), self.train(faces, region_weight=1.0)
        names = [set(fitted.network.state_dict()) for fitted in (plain, pointing)]
        assert names[0] == names[1]
        assert any(
            not torch.equal(plain.network.state_dict()[name], pointing.network.state_dict()[name]) for name in names[0]
        )
        assert all(np.isfinite(row["train_loss"]) for row in pointing.history)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"partial_share": 0.2}, "it needs a region_weight"),
            ({"mixup": 0.2, "region_weight": 1.0}, "exclude each other"),
        ],
    )
    def test_settings_that_do_not_go_together_are_refused(self, settings, message):
        with pytest.raises(UserError, match=message):
            DetectorTraining(**settings)
