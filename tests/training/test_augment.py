"""Cutout and mixup; flips, turns and light are tried where a detector is trained."""

import pytest
import torch

from deepfake_pipeline.training.augment import augment, cutout, mixup
from deepfake_pipeline.training.config import DetectorTraining


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def faces(count=64, side=40):
    return torch.rand(count, 3, side, side, generator=generator(9))


def test_a_rectangle_of_the_mean_colour_is_painted_over():
    images = faces()
    painted = cutout(images, 1.0, generator())
    changed = (painted != images).all(dim=1)
    for image, before, mask in zip(painted, images, changed, strict=True):
        rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
        assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all(), "no full rectangle"
        assert 5 <= len(rows) <= 19 and 5 <= len(columns) <= 19  # 15 to 45 % of 40 px, give or take a pixel
        torch.testing.assert_close(image[:, rows[0], columns[0]], before.mean((1, 2)))
        assert torch.equal(image[:, ~mask], before[:, ~mask])


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_as_many_faces_are_painted_over_as_wanted(share):
    images = faces(400, 12)
    changed = (cutout(images, share, generator()) != images).flatten(1).any(1).float().mean().item()
    assert changed == pytest.approx(share, abs=0.08)


def test_faces_and_labels_are_mixed_alike():
    labels = (torch.arange(50) % 2).float()
    images = labels.view(-1, 1, 1, 1).expand(50, 3, 4, 4)  # a face that shows its label
    mixed, targets = mixup(images, labels, 0.4, generator())
    torch.testing.assert_close(mixed.mean((1, 2, 3)), targets)
    assert (targets - labels).abs().max() <= 0.4
    assert (targets - labels).abs().max() > 0.2
    assert torch.equal(targets.round(), labels), "a face stays what it mostly is"


def test_draws_depend_on_the_generator_alone():
    images, labels = faces(), (torch.arange(64) % 2).float()
    assert torch.equal(cutout(images, 0.5, generator(1)), cutout(images, 0.5, generator(1)))
    assert not torch.equal(cutout(images, 0.5, generator(1)), cutout(images, 0.5, generator(2)))
    assert torch.equal(mixup(images, labels, 0.3, generator(1))[0], mixup(images, labels, 0.3, generator(1))[0])


def test_what_is_not_asked_for_draws_nothing():
    """Presets without it keep their bytes: the other changes see the same draws."""
    plain, with_cutout = DetectorTraining(light=0.1), DetectorTraining(light=0.1, cutout=1.0)
    first, second = (augment(faces(), config, generator(3)) for config in (plain, with_cutout))
    assert 0.01 < (first != second).float().mean() < 0.3
