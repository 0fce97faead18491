"""Which faces are kept, and why others are not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from deepfake_pipeline.faces.select import FaceQuality, SelectionParams, refusal, score, select_faces
from deepfake_pipeline.media.render import RenderedFace
from deepfake_pipeline.tables import Reason

_GOOD = FaceQuality(sharpness=300, motion_blur=0.2, brightness=0.5, light_uniformity=0.9, yaw=0)
_SHARE = st.floats(0, 1)
_QUALITY = st.builds(FaceQuality, st.floats(0, 3000), _SHARE, _SHARE, _SHARE, st.none() | st.floats(-90, 90))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"yaw": None}, None),
        ({"sharpness": 29}, Reason.BLURRED),
        ({"motion_blur": 0.71}, Reason.BLURRED),
        ({"brightness": 0.1}, Reason.DARK),
        ({"brightness": 0.1, "sharpness": 1}, Reason.DARK),
        ({"light_uniformity": 0.5}, Reason.UNEVEN_LIGHT),
        ({"yaw": 36}, Reason.TURNED),
        ({"yaw": -36}, Reason.TURNED),
    ],
)
def test_each_refusal_has_its_reason(change: dict[str, float | None], reason: Reason | None) -> None:
    refused = refusal(_GOOD._replace(**change), SelectionParams())
    assert (refused and refused.reason) is reason
    assert refused is None or ", at " in refused.detail


def test_spoiled_pictures_are_refused_for_what_was_done_to_them(rendered: list[RenderedFace]) -> None:
    dim = np.linspace(0.02, 1.6, 160)[None, :, None]
    spoil = {
        Reason.BLURRED: lambda image: cv2.GaussianBlur(image, (0, 0), 6),
        Reason.DARK: lambda image: (image * 0.15).astype(np.uint8),
        Reason.UNEVEN_LIGHT: lambda image: np.clip(image * dim**3, 0, 255).astype(np.uint8),
    }
    for reason, change in spoil.items():
        found = [
            refusal(FaceQuality.of(change(face.image), face.landmarks), SelectionParams()) for face in rendered[:10]
        ]
        assert sum(one is not None and one.reason is reason for one in found) >= 9, reason
    whole = [refusal(FaceQuality.of(face.image, face.landmarks), SelectionParams()) for face in rendered]
    assert np.mean([one is None for one in whole]) > 0.6


@given(st.lists(st.tuples(_QUALITY, st.integers(0, 3)), max_size=30), st.integers(1, 4))
def test_every_face_is_kept_spare_or_refused(faces: list[tuple[FaceQuality, int]], per_track: int) -> None:
    qualities, tracks = [quality for quality, _ in faces], [track for _, track in faces]
    params = SelectionParams(per_track=per_track)
    selection = select_faces(qualities, tracks, params)
    assert sorted([*selection.kept, *selection.spare, *selection.refused]) == list(range(len(faces)))
    assert sum(selection.reasons().values()) == len(selection.refused)
    for track in set(tracks):
        kept = [place for place in selection.kept if tracks[place] == track]
        spare = [place for place in selection.spare if tracks[place] == track]
        assert len(kept) <= per_track
        assert not spare or len(kept) == per_track
        assert all(score(qualities[best]) >= score(qualities[other]) for best in kept for other in spare)


def test_of_equal_faces_the_earlier_is_kept() -> None:
    assert select_faces([_GOOD] * 5, [0, 1, 0, 1, 0], SelectionParams(per_track=1)).kept == [0, 1]


@pytest.mark.parametrize(
    "worse", [{"sharpness": 100}, {"motion_blur": 0.5}, {"light_uniformity": 0.7}, {"yaw": 20}, {"yaw": -20}]
)
def test_what_is_worse_scores_less(worse: dict[str, float]) -> None:
    assert 0 < score(_GOOD._replace(**worse)) < score(_GOOD) < 1


def test_parameters_are_checked_and_described() -> None:
    with pytest.raises(ValidationError):
        SelectionParams(per_track=0)
    assert all(field.description for field in SelectionParams.model_fields.values())
