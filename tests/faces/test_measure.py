"""Numbers of crops that are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.ndimage import laplace

from deepfake_pipeline.faces.detections import Detections
from deepfake_pipeline.faces.measure import brightness, light_uniformity, motion_blur, sharpness, yaw
from deepfake_pipeline.media.render.faces import RenderedFace

_FRONTAL = np.array([[30, 40], [70, 40], [50, 60], [35, 80], [65, 80]], np.float32)


def _grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(values.astype(np.uint8)[..., None], 3, axis=2)


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    luma = np.random.default_rng(0).integers(0, 256, (128, 128))
    expected = laplace(luma.astype(float), mode="mirror").var()
    assert sharpness(_grey(luma)) == pytest.approx(expected, rel=1e-6)


def test_blur_lowers_sharpness_step_by_step(rendered: list[RenderedFace]) -> None:
    for face in rendered[:5]:
        blurred = [cv2.GaussianBlur(face.image, (0, 0), sigma) for sigma in (0.5, 1, 2, 4, 8)]
        values = [sharpness(image) for image in [face.image, *blurred]]
        assert values == sorted(values, reverse=True)
        assert values[-1] < 0.1 * values[0]


def test_a_flat_crop_has_no_sharpness() -> None:
    assert sharpness(np.full((64, 64, 3), 90, np.uint8)) == 0


def test_an_enlarged_crop_is_not_sharper() -> None:
    small = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    large = cv2.resize(small, (300, 300), interpolation=cv2.INTER_CUBIC)
    assert sharpness(large) < 1.1 * sharpness(cv2.resize(small, (128, 128), interpolation=cv2.INTER_CUBIC))


@pytest.mark.parametrize("turns", [0, 1])
def test_motion_blur_runs_from_noise_to_stripes(turns: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (128, 128))
    stripes = np.broadcast_to(noise[:, :1], noise.shape)
    dragged = cv2.blur(noise.astype(np.uint8), (9, 1)).astype(int)
    values = [motion_blur(_grey(np.rot90(picture, turns))) for picture in (noise, dragged, stripes)]
    assert values[0] < 0.03
    assert 0.5 < values[1] < values[2]
    assert values[2] == pytest.approx(1, abs=1e-6)
    assert motion_blur(np.full((40, 60, 3), 9, np.uint8)) == 0


def test_motion_blur_of_faces_rises_with_motion_and_not_with_focus(rendered: list[RenderedFace]) -> None:
    faces = [face.image for face in rendered[:12]]
    sharp, soft, moved = (
        np.array([motion_blur(change(face)) for face in faces])
        for change in (np.asarray, lambda face: cv2.GaussianBlur(face, (0, 0), 2), lambda face: cv2.blur(face, (1, 11)))
    )
    assert (moved > sharp + 0.1).all()
    assert abs(np.median(soft) - np.median(sharp)) < 0.1


def test_brightness_is_the_mean_luma() -> None:
    assert brightness(np.zeros((9, 9, 3), np.uint8)) == 0
    assert brightness(np.full((9, 9, 3), 255, np.uint8)) == 1
    assert brightness(np.full((9, 9, 3), [255, 0, 0], np.uint8)) == pytest.approx(0.299, abs=0.002)


def test_light_uniformity_runs_from_half_dark_to_even() -> None:
    even = np.full((100, 100, 3), 120, np.uint8)
    assert light_uniformity(even) == 1
    for half in (np.s_[:, :50], np.s_[:, 50:], np.s_[:50], np.s_[50:]):
        dark = even.copy()
        dark[half] = 0
        assert light_uniformity(dark) == 0
        dim = even.copy()
        dim[half] = 40
        assert light_uniformity(dim) == pytest.approx(1 - 80 / 160)


def test_light_on_the_background_alone_changes_nothing() -> None:
    crop = np.full((100, 100, 3), 120, np.uint8)
    crop[:, :15] = 0
    assert light_uniformity(crop) == 1


def test_a_black_crop_is_evenly_lit() -> None:
    assert light_uniformity(np.zeros((50, 50, 3), np.uint8)) == 1


def test_a_frontal_face_is_not_turned() -> None:
    assert yaw(_FRONTAL) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("angle", [-40, -15, 5, 30])
@pytest.mark.parametrize("tilt", [0, 25])
def test_yaw_follows_its_geometry(angle: float, tilt: float) -> None:
    """Points of a head in space, eyes 1 apart, turned by ``angle`` and tilted."""
    head = np.array([[-0.5, 0, 0], [0.5, 0, 0], [0, 0.5, 0.5], [-0.4, 1, 0], [0.4, 1, 0]])
    a, t = np.deg2rad([angle, tilt])
    x, y = head[:, 0] * np.cos(a) + head[:, 2] * np.sin(a), head[:, 1]
    points = 40 * np.stack([x * np.cos(t) - y * np.sin(t), x * np.sin(t) + y * np.cos(t)], axis=1) + 100
    assert yaw(points.astype(np.float32)) == pytest.approx(angle, abs=0.1)


def test_a_mirrored_face_is_turned_the_other_way() -> None:
    turned = _FRONTAL + np.array([[0, 0], [0, 2], [9, 0], [1, 0], [0, 1]], np.float32)
    mirrored = (turned * [-1, 1])[[1, 0, 2, 4, 3]].astype(np.float32)
    assert yaw(turned) > 10
    assert yaw(mirrored) == pytest.approx(-yaw(turned), abs=1e-4)


def test_without_points_there_is_no_yaw() -> None:
    assert yaw(None) is None
    assert yaw(np.full((5, 2), np.nan, np.float32)) is None
    assert yaw(np.zeros((5, 2), np.float32)) is None
    assert Detections.none().landmarks.shape == (0, 5, 2)


def test_yaw_of_rendered_faces_agrees_with_their_truth(rendered: list[RenderedFace]) -> None:
    errors = [abs(yaw(face.landmarks) - face.yaw) for face in rendered]
    assert np.mean(errors) < 3  # degrees
