"""Rendered faces with exact truth, and the detector, once for all tests of the room."""

from __future__ import annotations

import pytest

from deepfake_pipeline.engine import use_threads
from deepfake_pipeline.faces.detect import MtcnnDetector
from deepfake_pipeline.media.render.faces import RenderedFace, render_face


@pytest.fixture(scope="session")
def rendered() -> list[RenderedFace]:
    """One picture of each of 40 people, 160×160 px."""
    return [render_face(identity, 0) for identity in range(40)]


@pytest.fixture(scope="session")
def detector() -> MtcnnDetector:
    use_threads(1)
    return MtcnnDetector()
