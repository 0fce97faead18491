import math

import numpy as np
import pytest
from skimage.color import lab2rgb, rgb2lab

from deepfake_pipeline.faces.geometry import CropGeometry
from deepfake_pipeline.faces.params import FaceParams
from deepfake_pipeline.faces.skin import TONES, face_points, tone, typology_angle

GEOMETRY = CropGeometry(kind="aligned", height=160, width=160, faces=FaceParams())
POINTS = face_points(GEOMETRY)


@pytest.mark.parametrize(("lightness", "yellow"), [(75, 15), (65, 18), (50, 20), (35, 15)])
def test_the_angle_is_that_of_the_colour(lightness: float, yellow: float) -> None:
    colour = lab2rgb(np.array([[[lightness, 12, yellow]]], np.float64))
    crop = np.rint(255 * np.broadcast_to(colour, (160, 160, 3))).astype(np.uint8)
    light, _, yellowness = rgb2lab(crop[0, 0][None, None]).ravel()
    assert typology_angle(crop, POINTS) == pytest.approx(math.degrees(math.atan((light - 50) / yellowness)), abs=0.5)


def test_cheeks_alone_count_and_of_them_the_lighter_one() -> None:
    crop = np.full((160, 160, 3), (190, 140, 115), np.uint8)
    plain = typology_angle(crop, POINTS)
    middle = (POINTS[0] + POINTS[3]) / 2
    away = np.hypot(*(np.indices((160, 160))[::-1] - middle[:, None, None])) > 60
    crop[away] = 0  # hair, ground and the other cheek
    assert typology_angle(crop, POINTS) == pytest.approx(plain)


def test_blue_light_and_faces_out_of_the_crop_tell_nothing() -> None:
    assert typology_angle(np.full((160, 160, 3), (80, 90, 200), np.uint8), POINTS) is None
    assert typology_angle(np.full((160, 160, 3), 150, np.uint8), POINTS + 500) is None


def test_tones_have_the_published_bounds() -> None:
    assert [tone(angle) for angle in (60, 55, 41, 28, 10, -30)] == [
        "very light",
        "light",
        "intermediate",
        "tan",
        "brown",
        "dark",
    ]
    assert len(TONES) == 5


def test_where_points_are_known() -> None:
    box = GEOMETRY.model_copy(update={"kind": "given", "face_box": (0.25, 0.25, 0.5, 0.5)})
    points = face_points(box)
    assert points is not None
    assert points.mean(axis=0) == pytest.approx([79.5, 79.5], abs=10)
    assert face_points(GEOMETRY.model_copy(update={"kind": "whole"})) is None
    assert face_points(GEOMETRY.model_copy(update={"kind": "given"})) is None
