"""Tracks of boxes that move, cross, vanish and come back; and of rendered people."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from deepfake_pipeline.faces.detect import MtcnnDetector
from deepfake_pipeline.faces.track import FrameFaces, TrackParams, likeness, look, track_faces
from deepfake_pipeline.media.render import render_crowd, render_face

_COLOURS = [((200, 150, 120), (80, 60, 50)), ((120, 80, 60), (30, 30, 30)), ((235, 205, 195), (190, 160, 90))]
_COLOURS += [((150, 120, 100), (90, 110, 160))]  # face and hair of each person


def _scene(boxes: dict[int, tuple[float, float, float]], noise: int = 0) -> tuple[FrameFaces, list[int]]:
    """A frame with a patterned square for each person: number → centre x, centre y, side. And who is where."""
    image = np.full((240, 400, 3), 70, np.uint8)
    for person, (x, y, side) in boxes.items():
        top_left = int(x - side / 2), int(y - side / 2)
        low_right = int(x + side / 2), int(y + side / 2)
        cv2.rectangle(image, top_left, low_right, _COLOURS[person][0], -1)
        cv2.rectangle(image, top_left, (low_right[0], int(y - side / 6)), _COLOURS[person][1], -1)
    shaken = image + np.random.default_rng(noise).normal(0, 5, image.shape)
    rows = np.array([[x - s / 2, y - s / 2, s, s] for x, y, s in boxes.values()], np.float32).reshape(-1, 4)
    order = np.random.default_rng(noise).permutation(len(rows))  # detectors give no order that lasts
    faces = FrameFaces.of(np.clip(shaken, 0, 255).astype(np.uint8), rows[order])
    return faces, [list(boxes)[place] for place in order]


def _tracks_of_people(
    scenes: list[tuple[FrameFaces, list[int]]], params: TrackParams | None = None
) -> dict[int, set[int]]:
    numbers = track_faces((faces for faces, _ in scenes), params)
    tracks: dict[int, set[int]] = {}
    for (_, people), given_numbers in zip(scenes, numbers, strict=True):
        for person, number in zip(people, given_numbers, strict=True):
            tracks.setdefault(person, set()).add(number)
    return tracks


def test_people_who_cross_keep_their_tracks() -> None:
    """The one behind is not found while more than half of it is hidden."""
    scenes = []
    for t in range(40):
        people = {0: (40.0 + 8 * t, 120.0, 40.0), 1: (360.0 - 8 * t, 125.0, 40.0)}
        if abs(people[0][0] - people[1][0]) < 20:
            del people[0]
        scenes.append(_scene(people, t))
    found = _tracks_of_people(scenes)
    assert [len(found[0]), len(found[1])] == [1, 1]
    assert found[0] != found[1]


@pytest.mark.parametrize(("missing", "tracks"), [(1, 1), (5, 1), (6, 2)])
def test_who_vanishes_is_known_again_for_a_while(missing: int, tracks: int) -> None:
    scenes = []
    for t in range(30):
        people = {0: (40.0 + 4 * t, 80.0, 40.0), 1: (300.0, 160.0, 50.0)}
        if 10 <= t < 10 + missing:
            del people[0]
        scenes.append(_scene(people, t))
    found = _tracks_of_people(scenes)
    assert len(found[0]) == tracks and len(found[1]) == 1
    assert not found[0] & found[1]


def test_sparse_frames_are_linked_by_colours() -> None:
    rng = np.random.default_rng(1)
    scenes = []
    for t in range(8):
        xs = rng.permutation([60, 150, 240, 330])
        scenes.append(_scene({person: (float(x), float(rng.uniform(80, 160)), 44) for person, x in enumerate(xs)}, t))
    found = _tracks_of_people(scenes, TrackParams(max_distance=10))
    assert all(len(numbers) == 1 for numbers in found.values())
    assert len(set.union(*found.values())) == 4


def test_another_person_in_the_same_place_is_another_track() -> None:
    scenes = [_scene({0: (100, 100, 60)}, t) for t in range(4)] + [_scene({2: (100, 100, 60)}, t) for t in range(4)]
    assert _tracks_of_people(scenes) == {0: {0}, 2: {1}}


def test_a_face_far_away_or_of_another_size_is_not_linked() -> None:
    near, far = _scene({0: (40, 40, 30)}), _scene({0: (360, 200, 30)})
    large = _scene({0: (60, 60, 100)})
    assert list(track_faces([near[0], far[0]], TrackParams(max_distance=3))) == [[0], [1]]
    assert list(track_faces([near[0], far[0]], TrackParams(max_distance=20))) == [[0], [0]]
    assert list(track_faces([near[0], large[0]], TrackParams(max_distance=20))) == [[0], [1]]


def test_the_sum_of_costs_is_least() -> None:
    """Greedy linking would give the first person the nearer box and leave the second none."""
    first, second = _scene({0: (100, 100, 40)}), _scene({0: (128, 100, 40)})
    boxes = np.array([[80, 80, 40, 40], [108, 80, 40, 40]], np.float32)
    one = FrameFaces(boxes, np.concatenate([first[0].looks] * 2))
    two = FrameFaces(boxes + np.float32([26, 0, 0, 0]), np.concatenate([second[0].looks] * 2))
    assert list(track_faces([one, two])) == [[0, 1], [0, 1]]


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 200), st.integers(4, 90)), max_size=5), max_size=6)
)
def test_no_track_has_two_faces_of_a_frame(places: list[list[tuple[int, int, int]]]) -> None:
    frames = [
        FrameFaces(
            np.array([[x, y, s, s] for x, y, s in frame], np.float32).reshape(-1, 4), np.full((len(frame), 4), 0.25)
        )
        for frame in places
    ]
    numbers = list(track_faces(frames))
    assert [len(one) for one in numbers] == [len(one) for one in places]
    assert all(len(set(one)) == len(one) for one in numbers)
    seen = list(dict.fromkeys(itertools.chain(*numbers)))
    assert sorted(seen) == list(range(len(seen)))


def test_looks_are_distributions_and_agree_with_bhattacharyya() -> None:
    faces = [render_face(identity, 0) for identity in range(3)]
    looks = np.stack([look(face.image, face.box) for face in faces])
    np.testing.assert_allclose(looks.sum(axis=1), 1)
    np.testing.assert_allclose(np.diag(likeness(looks, looks)), 1)
    for a, b in itertools.combinations(range(3), 2):
        distance = cv2.compareHist(*looks[[a, b]].astype(np.float32), cv2.HISTCMP_BHATTACHARYYA)
        assert likeness(looks, looks)[a, b] == pytest.approx(1 - distance**2, abs=1e-5)


@pytest.mark.parametrize("box", [(-50, -50, 20, 20), (500, 500, 9, 9), (10, 10, 0, 0), (-20, 30, 300, 20)])
def test_boxes_beyond_the_image_have_a_look(box: tuple[int, int, int, int]) -> None:
    assert look(render_face(0, 0).image, box).sum() == pytest.approx(1)


def test_a_rendered_crowd_that_shifts_is_tracked(detector: MtcnnDetector) -> None:
    image, truths = render_crowd(5, faces=4, height=300, width=480)
    frames, shown = [], []
    for t in range(6):
        shift = np.float32([[1, 0, 14 * t - 35], [0, 1, 5 * t - 12]])
        shifted = cv2.warpAffine(image, shift, (480, 300), borderMode=cv2.BORDER_REFLECT_101)
        noisy = np.clip(shifted * (0.94 + 0.02 * t) + np.random.default_rng(t).normal(0, 4, shifted.shape), 0, 255)
        found = detector.detect([noisy.astype(np.uint8)])[0]
        frames.append(FrameFaces.of(noisy.astype(np.uint8), found.boxes))
        centres = found.boxes[:, :2] + found.boxes[:, 2:] / 2 - shift[:, 2]
        people = np.stack([truth.box[:2] + truth.box[2:] / 2 for truth in truths])
        shown.append(np.linalg.norm(centres[:, None] - people, axis=2).argmin(axis=1).tolist())
    pairs = {
        pair
        for people, numbers in zip(shown, track_faces(frames), strict=True)
        for pair in zip(people, numbers, strict=True)
    }
    assert len(pairs) == len({person for person, _ in pairs}) == len({number for _, number in pairs}) == 4


def test_parameters_are_checked_and_described() -> None:
    with pytest.raises(ValidationError):
        TrackParams(min_look=2)
    assert all(field.description for field in TrackParams.model_fields.values())
