"""Small videos for the tests of this room."""

from __future__ import annotations

import io
import struct
from functools import cache
from pathlib import Path

import av

from tests.media.pictures import smooth


@cache
def _encoded(seed: int, frames: int, height: int, width: int) -> bytes:
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(smooth(1000 * seed + number, height, width), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return target.getvalue()


def tiny_video(number: int, seed: int = 0, frames: int = 3, height: int = 48, width: int = 64) -> bytes:
    """An MP4; those of different numbers differ in a box that players overlook."""
    return _encoded(seed, frames, height, width) + struct.pack(">I4sQ", 16, b"free", number)


def write_video(path: Path, number: int, **options: int) -> Path:
    """Write :func:`tiny_video`, making the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tiny_video(number, **options))
    return path
