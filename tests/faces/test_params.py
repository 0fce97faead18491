"""What the parameters refuse."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from deepfake_pipeline.faces import FaceParams, MtcnnParams


@pytest.mark.parametrize(
    "wrong",
    [
        {"margin": -0.1},
        {"max_faces": 101},
        {"min_score": 1.5},
        {"misspelt": 1},
        {"detector": {"name": "unheard-of"}},
        {"detector": {"thresholds": (0.6, 0.7, 1.0)}},
        {"detector": {"min_face": 11}},
        {"detector": {"scale_factor": 1.0}},
    ],
)
def test_wrong_parameters_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FaceParams.model_validate(wrong)


def test_parameters_are_frozen_and_described() -> None:
    with pytest.raises(ValidationError):
        FaceParams().margin = 1  # type: ignore[misc]
    for model in (FaceParams, MtcnnParams):
        assert all(field.description for field in model.model_fields.values())
