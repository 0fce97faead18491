import cv2
import numpy as np
import pytest
from torch import nn

from deepfake_pipeline.metrics.fidelity import psnr
from deepfake_pipeline.models.detector import DetectorOutput
from deepfake_pipeline.models.run import DetectorRunner
from deepfake_pipeline.scoring.stability import REENCODINGS, STORED, judged_versions, steady


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    rng = np.random.default_rng(0)
    smooth = cv2.resize(rng.integers(0, 256, (12, 9, 3), dtype=np.uint8), (96, 128), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, np.uint8)


@pytest.mark.parametrize("name", REENCODINGS)
def test_a_reencoding_changes_little_and_repeats(name: str, face: np.ndarray) -> None:
    before = face.copy()
    again = REENCODINGS[name](face)
    assert (again.shape, again.dtype) == (face.shape, np.uint8)
    assert np.array_equal(face, before)
    assert np.array_equal(again, REENCODINGS[name](face))
    undone = again[:, ::-1] if name == "mirror" else again
    assert psnr(face, np.ascontiguousarray(undone)) > (100 if name in ("png", "mirror") else 20) - 1e-9
    assert np.array_equal(again, face) == (name == "png")


def test_there_are_the_twelve_that_are_asked_for(face: np.ndarray) -> None:
    assert len(REENCODINGS) == 12
    quality = [psnr(face, REENCODINGS[f"jpeg_{number}"](face)) for number in (95, 75, 50)]
    assert quality[0] > quality[1] > quality[2]
    flat = np.full((40, 60, 3), 128, np.uint8)
    assert REENCODINGS["gamma_1.1"](flat)[0, 0, 0] == round(255 * (128 / 255) ** 1.1)
    inner = np.zeros((100, 100, 3), np.uint8)
    inner[:2] = 255
    assert REENCODINGS["crop_2_percent"](inner).max() == 0


class LeftHalf(nn.Module):
    """Log-odds of the brightness of the left half: a mirror image turns it round."""

    image_size = 32

    def forward(self, images):
        logit = 4 * (images[..., :16].mean((1, 2, 3)) - images[..., 16:].mean((1, 2, 3)))
        return DetectorOutput(logit, images, images.flatten(1))


def test_versions_are_judged_only_where_asked_for() -> None:
    pictures = np.zeros((2, 32, 32, 3), np.uint8)
    pictures[0, :, :16], pictures[1] = 255, 90
    judge = DetectorRunner(LeftHalf(), "cpu")
    judged, alone = judged_versions(judge, pictures, False)
    assert np.array_equal(judged, pictures) and alone.shape == (2, 1)
    judged, found = judged_versions(judge, pictures, True)
    assert np.array_equal(judged, pictures) and found.shape == (2, 5)
    # as it is, mirrored, zoomed in, mirrored and turned, stored and mirrored
    assert found[0] == pytest.approx([4, -4, 4, -3.7, -4], abs=0.2)
    assert found[1] == pytest.approx(0, abs=0.1)


def test_versions_are_enhanced_after_they_were_stored() -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    seen = []

    def invert(some: np.ndarray) -> np.ndarray:
        seen.append(some)
        return np.asarray(255 - some)

    judge = DetectorRunner(LeftHalf(), "cpu")
    judged, found = judged_versions(judge, pictures, True, invert)
    assert np.array_equal(judged, 255 - pictures)
    assert np.array_equal(seen[0], pictures)
    assert np.array_equal(seen[1], np.stack([REENCODINGS[STORED](picture) for picture in pictures]))
    stored = judge.judge(255 - seen[1]).logit
    assert found[:, 4] == pytest.approx(-stored, abs=1e-5)
    assert found[:, 1] == pytest.approx(-found[:, 0], abs=1e-5)
    assert len(seen) == 2
    _, alone = judged_versions(judge, pictures, False, invert)
    assert alone[:, 0] == pytest.approx(found[:, 0])


def test_the_mean_of_the_versions_counts_on_the_side_of_the_first() -> None:
    margins = np.array([[2.0, 4.0, 3.0, 1.0, 4.0], [-2, 0.5, -3, -0.5, -1], [2, -9, 1, 1, 0], [-2, 9, 3, 0, 1]])
    found = steady(margins)
    assert found[:2] == pytest.approx([32 / 11, -13 / 11])  # what is stored counts half as much again
    assert steady(margins[:, :1]).tolist() == margins[:, 0].tolist()
    assert 0 < found[2] < 1e-6
    assert -1e-6 < found[3] < 0
