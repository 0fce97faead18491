"""From faces to files: maximum over faces, maximum over people of the mean logit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from deepfake_pipeline.scoring.verdict import VerdictRule, file_row, sigmoid

_LOGITS = st.floats(-30, 30)


def _faces(*logits: tuple[int | None, float]):
    return [(track, VerdictRule(0.5).say(np.array([logit]), 80.0)) for track, logit in logits]


@given(st.floats(-800, 800))
def test_sigmoid(logit):
    assert sigmoid(logit) == pytest.approx(float(expit(logit)), rel=1e-12)


@given(st.lists(_LOGITS, min_size=1))
def test_an_image_is_its_most_forged_face(logits):
    row = file_row({}, _faces(*((None, logit) for logit in logits)), 0.5)
    assert row["fake_probability"] == max(np.float32(expit(logit)) for logit in logits)


@given(st.lists(_LOGITS, min_size=1), st.lists(_LOGITS, min_size=1))
def test_a_video_is_its_most_forged_person(first, second):
    faces = _faces(*((0, logit) for logit in first), *((1, logit) for logit in second))
    expected = max(expit(sum(first) / len(first)), expit(sum(second) / len(second)))
    assert file_row({}, faces, 0.5)["fake_probability"] == pytest.approx(expected, rel=1e-9)
    assert file_row({}, faces[::-1], 0.5) == pytest.approx(file_row({}, faces, 0.5))


def test_one_misjudged_frame_does_not_decide():
    faces = _faces((0, 3.0), (0, -4.0), (0, -4.0))
    assert file_row({"path": "a"}, faces, 0.5)["verdict"] == "real"
    assert file_row({"path": "a"}, faces, 0.1)["verdict"] == "fake"


def test_a_file_without_faces():
    assert file_row({"reason": "no_face"}, [], 0.5)["verdict"] == "no_face"
    assert file_row({"reason": "missing"}, [], 0.5) == {"reason": "missing", "verdict": None}


def test_a_video_of_which_a_part_was_used_has_a_verdict_and_a_reason():
    row = file_row({"reason": "unreadable"}, _faces((0, 3.0)), 0.5)
    assert (row["verdict"], row["reason"]) == ("fake", "unreadable")
