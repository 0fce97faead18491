"""Small videos of rendered people for tests, with the truth of who is where."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from deepfake_pipeline.faces.detections import Image
from deepfake_pipeline.media.render.faces import render_face
from tests.media.clips import write_video

_SIDE = 160
_WIDTH = 400


@cache
def _portrait(identity: int) -> Image:
    return render_face(identity, 0).image


def scene(places: dict[int, tuple[int, int]]) -> Image:
    """Grey, 176×400 px, with rendered people, each 160×160 px: identity → left and top."""
    image = np.full((_SIDE + 16, _WIDTH, 3), 128, np.uint8)
    for identity, (left, top) in places.items():
        image[top : top + _SIDE, left : left + _SIDE] = _portrait(identity)
    return image


def film(path: Path, frames: int = 12, people: tuple[int, ...] = (0, 1), empty: tuple[int, ...] = ()) -> Path:
    """One or two people side by side who move a little; nobody in the frames ``empty``. 25 frames a second."""
    images = [
        scene({} if number in empty else {who: (10 + 200 * place + 2 * number, 8) for place, who in enumerate(people)})
        for number in range(frames)
    ]
    return write_video(path, images, codec="libx264", gop=1, qp="12", container={"movflags": "faststart"})
