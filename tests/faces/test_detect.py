"""The cascade: accuracy on rendered faces, and that each image is judged on its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deepfake_pipeline.faces import MtcnnParams, build_detector, detect
from deepfake_pipeline.faces.boxes import corners, overlap
from deepfake_pipeline.faces.detect import MtcnnDetector, passes
from deepfake_pipeline.faces.detections import Detections
from deepfake_pipeline.media.render.faces import RenderedFace, render_crowd


def _assert_equal(a: Detections, b: Detections) -> None:
    np.testing.assert_array_equal(a.boxes, b.boxes)
    np.testing.assert_array_equal(a.scores, b.scores)
    np.testing.assert_array_equal(a.landmarks, b.landmarks)


@pytest.fixture(scope="module")
def found(detector: MtcnnDetector, rendered: list[RenderedFace]) -> list[Detections]:
    return detector.detect([face.image for face in rendered])


def test_rendered_faces_are_found_once(found: list[Detections]) -> None:
    assert np.mean([len(one) > 0 for one in found]) >= 0.97
    assert np.mean([len(one) > 1 for one in found]) <= 0.03


def test_their_landmarks_are_within_8_percent_of_the_eye_distance(
    found: list[Detections], rendered: list[RenderedFace]
) -> None:
    errors = [
        np.linalg.norm(one.landmarks[0] - face.landmarks, axis=1).mean()
        / np.linalg.norm(face.landmarks[1] - face.landmarks[0])
        for one, face in zip(found, rendered, strict=True)
        if len(one)
    ]
    assert np.mean(errors) < 0.08


def test_their_boxes_overlap_the_truth(found: list[Detections], rendered: list[RenderedFace]) -> None:
    shares = [
        overlap(corners(one.boxes[:1]), corners(face.box[None]))[0, 0]
        for one, face in zip(found, rendered, strict=True)
        if len(one)
    ]
    assert np.mean(shares) > 0.7
    assert np.mean(np.array(shares) > 0.5) >= 0.97


def test_all_faces_of_a_crowd_are_found(detector: MtcnnDetector) -> None:
    image, truths = render_crowd(3, faces=6, height=420, width=620)
    found = detector.detect([image])[0]
    hits = overlap(corners(np.stack([truth.box for truth in truths])), corners(found.boxes)) > 0.5
    assert hits.any(axis=1).all()
    assert hits.any(axis=0).all()


def test_an_image_is_judged_alone_whatever_the_others_are(
    detector: MtcnnDetector, rendered: list[RenderedFace]
) -> None:
    images = [face.image for face in rendered[:7]]
    images += [np.ascontiguousarray(images[0][10:, 20:]), np.hstack(images[1:4]), np.zeros((90, 160, 3), np.uint8)]
    together = detector.detect(images)
    backwards = detector.detect(images[::-1])[::-1]
    for image, one, other in zip(images, together, backwards, strict=True):
        _assert_equal(one, detector.detect([image])[0])
        _assert_equal(one, other)


def test_the_number_of_threads_changes_nothing(
    detector: MtcnnDetector, rendered: list[RenderedFace], found: list[Detections]
) -> None:
    torch.set_num_threads(2)
    try:
        _assert_equal(detector.detect([rendered[0].image])[0], found[0])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_small_passes_give_the_same_faces(
    detector: MtcnnDetector, rendered: list[RenderedFace], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [np.hstack([face.image for face in rendered[:3]])] * 3
    whole = detector.detect(images)
    monkeypatch.setattr(detect, "_PASS_CROPS", {"cpu": 8})
    monkeypatch.setattr(detect, "_GROUP_PIXELS", 200_000)
    for one, other in zip(whole, detector.detect(images), strict=True):
        assert len(one) == 3
        _assert_equal(one, other)
    for most, pixels in ((1, 3000), (2, 100_000)):  # strips; two together
        monkeypatch.setattr(detect, "_PASS", {"cpu": (most, pixels)})
        for one, other in zip(whole, detector.detect(images), strict=True):
            np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-3)
            np.testing.assert_allclose(one.landmarks, other.landmarks, atol=1e-3)


def test_faces_come_by_score(detector: MtcnnDetector, rendered: list[RenderedFace]) -> None:
    found = detector.detect([np.hstack([face.image for face in rendered[:4]])])[0]
    assert len(found) == 4
    assert (np.diff(found.scores) <= 0).all()
    assert found.boxes.dtype == found.scores.dtype == found.landmarks.dtype == np.float32


def test_a_mirrored_image_gives_mirrored_faces(
    detector: MtcnnDetector, rendered: list[RenderedFace], found: list[Detections]
) -> None:
    mirrored = detector.detect([np.ascontiguousarray(face.image[:, ::-1]) for face in rendered])
    pairs = [(one[0], other[0]) for one, other in zip(found, mirrored, strict=True) if len(one) and len(other)]
    shifts = [
        other.landmarks[[1, 0, 2, 4, 3]] * [-1, 1] + [159, 0] - one.landmarks
        for one, other in pairs
        if one.landmarks is not None and other.landmarks is not None
    ]
    assert np.abs(np.mean(shifts, axis=(0, 1))).max() < 1  # px: twice the bias to one side


@pytest.mark.parametrize("shape", [(16, 16), (1, 1), (12, 400), (200, 31)])
def test_images_without_room_for_a_face_have_none(detector: MtcnnDetector, shape: tuple[int, int]) -> None:
    assert len(detector.detect([np.full((*shape, 3), 200, np.uint8)])[0]) == 0


def test_no_images_give_no_detections(detector: MtcnnDetector) -> None:
    assert detector.detect([]) == []


def test_flat_and_noisy_images_have_no_face(detector: MtcnnDetector) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    assert [len(one) for one in detector.detect([np.zeros_like(noise), noise])] == [0, 0]


def test_faces_much_smaller_than_asked_for_are_not_looked_for(rendered: list[RenderedFace]) -> None:
    image = np.pad(rendered[0].image, ((0, 140), (0, 140), (0, 0)), mode="edge")
    assert len(build_detector(MtcnnParams(min_face=40)).detect([image])[0]) == 1
    assert len(build_detector(MtcnnParams(min_face=260)).detect([image])[0]) == 0


@pytest.mark.parametrize(("most", "pixels"), [(1, 3000), (64, 3000), (64, 10**6), (2, 6000)])
@pytest.mark.parametrize("shape", [(5, 40, 30), (2, 200, 50), (1, 22, 200), (3, 1000, 12)])
def test_every_window_is_in_exactly_one_pass(shape: tuple[int, int, int], most: int, pixels: int) -> None:
    seen = np.zeros((shape[0], (shape[1] - 10) // 2), int)
    for images, rows in passes(shape, most, pixels):
        assert rows.start % 2 == 0
        assert images.stop - images.start <= most
        seen[images, rows.start // 2 : (rows.stop - 10) // 2] += 1
    assert (seen == 1).all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_finds_the_same_faces(found: list[Detections], rendered: list[RenderedFace]) -> None:
    on_cuda = build_detector(accelerator="cuda").detect([face.image for face in rendered])
    agree = [
        len(one) == len(other) and np.abs(one.boxes - other.boxes).max(initial=0) < 0.5
        for one, other in zip(found, on_cuda, strict=True)
    ]
    assert np.mean(agree) > 0.95
