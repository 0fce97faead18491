"""Frames of media files: an image has one, and of a video the first one is used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from deepfake_pipeline.media.images import ImageLimits, RGBImage
from deepfake_pipeline.tables import Reason, Refused

MOST_PACKETS = 300  # that are tried for a first frame: in a file that holds none, the search has an end


def frames_of(path: Path, limits: ImageLimits) -> Iterator[tuple[int, RGBImage]]:
    """Number and pixels, RGB uint8 ``(H, W, 3)``, of the frames of a video that are looked at.

    Raises:
        Refused: what :func:`first_frame` raises.
    """
    yield 0, first_frame(path, limits)


def first_frame(path: Path, limits: ImageLimits) -> RGBImage:
    """The first frame of a video that can be decoded, RGB uint8 ``(H, W, 3)``.

    Raises:
        Refused: ``unreadable``, ``decompression_bomb`` and ``too_small``.
    """
    import av
    from av.error import FFmpegError

    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise Refused(Reason.UNREADABLE, "no video in it")
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            _refuse_bomb(stream.width, stream.height, limits)
            for packet in islice(container.demux(stream), MOST_PACKETS):
                for frame in _decoded(packet):
                    _refuse_bomb(frame.width, frame.height, limits)
                    if min(frame.width, frame.height) < limits.min_side:
                        size = f"{frame.width}×{frame.height} pixels, a side has at least {limits.min_side}"
                        raise Refused(Reason.TOO_SMALL, size)
                    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    except (FFmpegError, OSError, ValueError, IndexError) as error:
        raise Refused(Reason.UNREADABLE, " ".join(str(error).split()).replace(str(path), path.name)) from error
    raise Refused(Reason.UNREADABLE, "no frame of it can be decoded")


def _decoded(packet: Any) -> Sequence[Any]:
    """Frames of a packet; none of a damaged one, as a later one may be whole."""
    from av.error import FFmpegError

    try:
        return list(packet.decode())
    except FFmpegError:
        return []


def _refuse_bomb(width: int, height: int, limits: ImageLimits) -> None:
    if width * height > limits.max_pixels:
        raise Refused(Reason.DECOMPRESSION_BOMB, f"{width}×{height} pixels, the limit is {limits.max_pixels:,}")
