"""Small videos for the tests of this room, made here."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from deepfake_pipeline.media.images import RGBImage

MILLISECOND = Fraction(1, 1000)


def counted(number: int, height: int = 64, width: int = 96) -> RGBImage:
    """A picture that says its number in a row of eight bright or dark blocks, lowest bit first, under a red corner."""
    image = np.full((height, width, 3), 60, np.uint8)
    image[:16, :24] = [230, 20, 20]
    for bit in range(8):
        image[24:48, bit * 12 : bit * 12 + 12] = 220 if number >> bit & 1 else 20
    return image


def number_of(image: RGBImage) -> int:
    """The number that :func:`counted` drew."""
    return sum(int(image[30:42, bit * 12 + 3 : bit * 12 + 9].mean() > 120) << bit for bit in range(8))


def write_video(
    path: Path,
    images: Sequence[RGBImage],
    milliseconds: Sequence[int] | None = None,
    codec: str = "mpeg4",
    gop: int = 12,
    rotation: int | None = None,
    sound: bool = False,
    container: dict[str, str] | None = None,
    **options: str,
) -> Path:
    """Write images as a video, one every 40 ms or at given times.

    Args:
        path: the container is that of its suffix.
        rotation: degrees counter-clockwise by which a player turns it.
        sound: add a track of silence.
        container: options of the container.
        options: of the codec.
    """
    with av.open(str(path), "w", options=container or {}) as target:
        stream: Any = target.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = gop
        stream.codec_context.time_base = MILLISECOND
        if rotation is not None:
            stream.set_display_rotation(rotation)
        silence: Any = target.add_stream("aac", rate=16_000) if sound else None
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = milliseconds[number] if milliseconds else 40 * number, MILLISECOND
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
        if sound:
            target.mux(_silence(silence))
    return path


def write_sound(path: Path) -> Path:
    """A file with sound alone."""
    with av.open(str(path), "w") as target:
        target.mux(_silence(target.add_stream("aac", rate=16_000)))
    return path


def _silence(stream: Any) -> list[av.Packet]:
    packets: list[av.Packet] = []
    for number in range(10):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16_000, 1024 * number, Fraction(1, 16_000)
        packets += stream.encode(frame)
    return packets + stream.encode()


def decoded_plainly(path: Path) -> list[tuple[Fraction, RGBImage]]:
    """Times and pixels of all frames, by PyAV's own loop from the beginning to the end."""
    with av.open(str(path)) as source:
        frames = list(source.decode(video=0))
        return [(frame.pts * frame.time_base, frame.to_ndarray(format="rgb24")) for frame in frames]
