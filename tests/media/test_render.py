from __future__ import annotations

from functools import partial

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from deepfake_pipeline.engine import map_batches
from deepfake_pipeline.media.render import FaceTruth, RenderedFace, RenderParams, render_crowd, render_face
from deepfake_pipeline.media.render.identity import expression_of, identity_of, lab_to_linear
from deepfake_pipeline.media.render.scene import View
from deepfake_pipeline.tables.errors import UserError

SMALL = RenderParams(identities=6, images_per_identity=3, size=96, seed=4)


@pytest.fixture(scope="module")
def faces() -> list[RenderedFace]:
    return [render_face(identity, index, SMALL) for identity in range(6) for index in range(2)]


class _Renderer:
    def __call__(self, identity: int) -> bytes:
        return render_face(identity, 0, SMALL).image.tobytes()


def test_same_arguments_give_same_bytes_whatever_the_number_of_workers(faces: list[RenderedFace]) -> None:
    identities = [0, 1, 2, 3]
    alone = list(map_batches(identities, _Renderer, workers=1))
    together = list(map_batches(identities, partial(_Renderer), workers=2))
    assert alone == together
    assert alone == [face.image.tobytes() for face in faces if face.index == 0][:4]


def test_order_of_calls_does_not_matter(faces: list[RenderedFace]) -> None:
    identity_of.cache_clear()
    again = render_face(5, 1, SMALL)
    assert np.array_equal(again.image, faces[-1].image)
    assert np.array_equal(again.landmarks, faces[-1].landmarks)


def test_seed_identity_and_index_all_matter() -> None:
    images = [
        render_face(0, 0, SMALL).image,
        render_face(1, 0, SMALL).image,
        render_face(0, 1, SMALL).image,
        render_face(0, 0, SMALL.model_copy(update={"seed": 5})).image,
    ]
    for number, image in enumerate(images):
        assert all(np.abs(image.astype(int) - other).mean() > 3 for other in images[:number])


def _assert_consistent(face: FaceTruth, height: int, width: int) -> None:
    x, y, w, h = face.box
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert face.box.dtype == np.float32
    assert face.landmarks.shape == (5, 2) and face.landmarks.dtype == np.float32
    assert np.all(face.landmarks >= [x, y]) and np.all(face.landmarks <= [x + w, y + h])
    assert 0.5 < w / h < 1.3
    assert np.all(face.landmarks >= 0) and np.all(face.landmarks < [width, height])
    across = right_eye - left_eye
    down = np.array([-across[1], across[0]])  # a quarter turn clockwise on the screen
    assert across[0] > 0
    assert (right_mouth - left_mouth) @ across > 0
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    assert (mouth - eyes) @ down > 0
    assert 0 < (nose - eyes) @ down < (mouth - eyes) @ down
    assert np.rad2deg(np.arctan2(across[1], across[0])) == pytest.approx(face.roll, abs=9)  # yaw and pitch tilt it
    assert 0.3 < np.linalg.norm(across) / w < 0.65


def test_truth_of_a_face_is_consistent(faces: list[RenderedFace]) -> None:
    for face in faces:
        assert face.image.shape == (96, 96, 3) and face.image.dtype == np.uint8
        _assert_consistent(face, 96, 96)


def test_nose_moves_the_way_the_head_is_turned() -> None:
    params = SMALL.model_copy(update={"pitch": 0.0, "roll": 0.0})
    turned = [render_face(identity, 0, params) for identity in range(6)]
    for face in turned:
        offset = face.landmarks[2, 0] - face.landmarks[:2, 0].mean()
        assert face.pitch == face.roll == 0
        assert np.sign(offset) == np.sign(face.yaw)


def test_view_turns_the_way_that_its_signs_say() -> None:
    nose, ear = np.array([[0, 0, 100]], np.float32), np.array([[70, 0, 0]], np.float32)
    assert View(20, 0, 0, 1.0).project(nose)[0] == pytest.approx([100 * np.sin(np.deg2rad(20)), 0], abs=1e-4)
    assert View(0, 20, 0, 1.0).project(nose)[0] == pytest.approx([0, -100 * np.sin(np.deg2rad(20))], abs=1e-4)
    assert View(0, 0, 20, 1.0).project(ear)[0] == pytest.approx(
        [70 * np.cos(np.deg2rad(20)), 70 * np.sin(np.deg2rad(20))], abs=1e-4
    )
    placed = View(20, -8, 5, 1.3).placed((0, -30, 70), 40, 50)
    assert placed.project(np.array([[0, -30, 70]], np.float32))[0] == pytest.approx([40, 50], abs=1e-3)


def test_landmarks_are_where_they_are_drawn() -> None:
    """The pupil is the darkest place near an eye, and a nose or mouth is not."""
    params = RenderParams(size=160, yaw=0, pitch=0, roll=0)
    found = []
    for identity in range(8):
        face = render_face(identity, 3, params)
        if identity_of(params.seed, identity).glasses != "none":
            continue
        grey = cv2.GaussianBlur(face.image.astype(np.float32).mean(axis=2), (0, 0), 1.5)
        for x, y in face.landmarks[:2]:
            near = grey[round(float(y)) - 4 : round(float(y)) + 5, round(float(x)) - 6 : round(float(x)) + 7]
            row, column = np.unravel_index(np.argmin(near), near.shape)
            found.append((column - 6, row - 4))
    assert np.abs(np.median(found, axis=0)).max() <= 2


def test_a_person_stays_the_same_in_another_pose() -> None:
    first, second = (render_face(2, index, SMALL) for index in (0, 1))
    assert (first.yaw, first.pitch, first.roll) != (second.yaw, second.pitch, second.roll)
    assert identity_of(4, 2) is identity_of(4, 2)
    assert identity_of(4, 2) != identity_of(4, 3)
    assert expression_of(np.random.default_rng(0)) != expression_of(np.random.default_rng(1))


def test_people_differ() -> None:
    people = [identity_of(0, number) for number in range(60)]
    assert {person.style for person in people} >= {"short", "long", "bob", "fringe", "bald", "curly"}
    assert len({person.beard for person in people}) >= 4
    assert {"none", "dark"} <= {person.glasses for person in people}
    brightness = [sum(person.skin) for person in people]
    assert max(brightness) > 4 * min(brightness)
    assert all(0 < channel <= 1 for person in people for channel in (*person.skin, *person.hair, *person.lip))


def test_colours_agree_with_scikit_image() -> None:
    color = pytest.importorskip("skimage.color")
    for lab in ((72, 11, 15), (34, 10, 11), (54, -4, -16)):
        encoded = color.lab2rgb(np.array(lab, float))
        linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
        assert lab_to_linear(lab) == pytest.approx(linear, abs=2e-3)


def test_pictures_have_detail_that_blur_and_jpeg_take_away(faces: list[RenderedFace]) -> None:
    for face in faces[:4]:
        sharp = cv2.Laplacian(face.image, cv2.CV_32F).var()
        assert cv2.Laplacian(cv2.GaussianBlur(face.image, (0, 0), 1.5), cv2.CV_32F).var() < 0.3 * sharp
        assert 20 < face.image.mean() < 235
        assert face.image.std() > 15


def test_size_scales_the_picture() -> None:
    small, large = (render_face(1, 1, RenderParams(size=size)) for size in (80, 160))
    assert large.image.shape == (160, 160, 3)
    assert 2 * small.box == pytest.approx(large.box, abs=1.0)
    assert 2 * small.landmarks + 0.5 == pytest.approx(large.landmarks, abs=1.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"identities": 7},
        {"identities": 0},
        {"images_per_identity": 0},
        {"size": 10},
        {"size": 10_000},
        {"seed": -1},
        {"yaw": 90},
        {"faces": 3},
    ],
)
def test_bad_params_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        RenderParams.model_validate(wrong)


def test_pairs_are_half_of_the_identities() -> None:
    assert RenderParams().pairs == 30
    with pytest.raises(ValidationError):
        RenderParams().seed = 3  # type: ignore[misc]


def test_crowd_has_exact_truth_and_no_covered_face() -> None:
    image, truths = render_crowd(3, 5, 180, 260)
    assert image.shape == (180, 260, 3) and image.dtype == np.uint8
    assert len(truths) == 5
    for number, truth in enumerate(truths):
        _assert_consistent(truth, 180, 260)
        x, y, w, h = truth.box
        for other in truths[:number]:
            a, b, c, d = other.box
            assert x >= a + c or a >= x + w or y >= b + d or b >= y + h
    again, _ = render_crowd(3, 5, 180, 260)
    assert np.array_equal(again, image)
    assert not np.array_equal(render_crowd(4, 5, 180, 260)[0], image)


def test_crowd_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UserError, match="500 faces do not fit into 200x100 px"):
        render_crowd(0, 500, 100, 200)
    with pytest.raises(UserError, match="at least one"):
        render_crowd(0, 0, 100, 200)
