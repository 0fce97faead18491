"""Videos, changed frame by frame: the sound is copied as it is, and every frame keeps its time.

The picture is coded as VP9 by libvpx, whose licence (BSD) suits every use and which browsers and players know; x264
and x265, which PyAV's wheels hold too, are GPL (docs/decisions/0010). Frames come out upright, so that no player has
to turn them.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from deepfake_pipeline.engine import progress
from deepfake_pipeline.media.container import VideoLimits
from deepfake_pipeline.media.images import RGBImage
from deepfake_pipeline.media.video import Played, played
from deepfake_pipeline.tables import Reason, Refused

CODEC = "libvpx-vp9"
OPTIONS = {"crf": "20", "b": "0", "deadline": "good", "cpu-used": "4", "lag-in-frames": "0"}
"""How VP9 is asked: constant quality, hardly told from the frames given; one frame out for each that goes in."""

_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mkv": "matroska", ".webm": "webm"}
_OTHERWISE = ".mkv"  # takes any sound
_BITS, _COLOURS = 8, 3
_QUARTER = (90, 270)
_OF_THE_DISK = (errno.EACCES, errno.EDQUOT, errno.ENOENT, errno.ENOSPC, errno.EROFS)


def rewritten_name(name: Path) -> Path:
    """What a rewritten video is called: its own name where VP9 may stand in its container, else ``NAME.mkv``.

    >>> str(rewritten_name(Path("below/clip.mp4"))), str(rewritten_name(Path("old.avi")))
    ('below/clip.mp4', 'old.avi.mkv')
    """
    return name if name.suffix.lower() in _FORMATS else name.with_name(name.name + _OTHERWISE)


def rewrite_video(
    source: Path, target: Path, change: Callable[[RGBImage], RGBImage], limits: VideoLimits | None = None
) -> None:
    """Decode a video, change each frame and encode it again; one frame is in memory at a time.

    Args:
        source: the video; only its first picture and its sound are taken.
        target: as :func:`rewritten_name` calls it; it is whole or not there.
        change: from an upright RGB uint8 ``(H, W, 3)`` to the same shape.
        limits: of the source.

    Raises:
        Refused: as :func:`media.video.sample_frames`; for any damage too, since a video with a part missing would
            look whole; ``unsupported_type`` for more than 8 bits a sample and for transparency, which would be lost,
            for frames of several sizes, and for sound that the container cannot hold.
        OSError: the target cannot be written.
    """
    import av  # late: the command line starts without it

    beside = target.with_name(f".{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with played(source, limits or VideoLimits()) as video:
            _write(video, beside, _FORMATS[target.suffix.lower()], change, source.name)
        beside.replace(target)
    except av.FFmpegError as error:
        if error.errno in _OF_THE_DISK:
            raise OSError(error.errno, error.strerror) from error
        raise Refused(Reason.UNREADABLE, f"cannot be written again: {error.strerror}") from error
    finally:
        beside.unlink(missing_ok=True)


def _write(video: Played, path: Path, container: str, change: Callable[[RGBImage], RGBImage], description: str) -> None:
    import av

    parts = iter(progress(video.parts, description))
    waiting = []
    for part in parts:  # sound may lie before the first frame, which tells the size
        waiting.append(part)
        if isinstance(part, av.VideoFrame):
            break
    first = waiting[-1]
    _refuse_what_would_lose(first)
    with av.open(str(path), "w", format=container) as target:
        picture = _picture(target, video, first)
        sound = {stream.index: _copied(target, stream, container) for stream in video.sound}
        for part in (*waiting, *parts):
            with video.paused():
                if isinstance(part, av.VideoFrame):
                    if (part.width, part.height) != (first.width, first.height):
                        raise Refused(Reason.UNSUPPORTED_TYPE, "frames of several sizes")
                    target.mux(picture.encode(_changed(part, video.upright, change)))
                else:
                    part.stream = sound[part.stream_index]
                    target.mux(part)
        target.mux(picture.encode(None))


def _picture(target: Any, video: Played, first: Any) -> Any:
    rate = video.picture.average_rate or video.picture.guessed_rate or Fraction(25)
    stream = target.add_stream(CODEC, rate=rate, options=OPTIONS)
    stream.height, stream.width = video.upright(first).shape[:2]
    stream.pix_fmt = "yuv420p"
    stream.time_base = stream.codec_context.time_base = video.picture.time_base
    aspect = video.picture.sample_aspect_ratio
    if aspect:
        stream.codec_context.sample_aspect_ratio = 1 / aspect if abs(first.rotation) in _QUARTER else aspect
    for tag in ("colorspace", "color_range", "color_primaries", "color_trc"):
        setattr(stream.codec_context, tag, getattr(first, tag))
    return stream


def _copied(target: Any, stream: Any, container: str) -> Any:
    if stream.codec_context is None or stream.codec_context.name not in target.supported_codecs:
        codec = stream.codec_context.name if stream.codec_context else "an unknown codec"
        raise Refused(Reason.UNSUPPORTED_TYPE, f"{container} cannot hold its sound, {codec}; rename it to .mov")
    return target.add_stream_from_template(stream)


def _changed(frame: Any, upright: Callable[[Any], RGBImage], change: Callable[[RGBImage], RGBImage]) -> Any:
    import av

    result = av.VideoFrame.from_ndarray(np.ascontiguousarray(change(upright(frame))), format="rgb24")
    coded = result.reformat(format="yuv420p", dst_colorspace=frame.colorspace)
    coded.pts, coded.time_base = frame.pts, frame.time_base
    return coded


def _refuse_what_would_lose(frame: Any) -> None:
    parts = frame.format.components
    if max(part.bits for part in parts) > _BITS:
        raise Refused(Reason.UNSUPPORTED_TYPE, f"{parts[0].bits} bits a sample: more than 8 would be lost")
    if len(parts) > _COLOURS:
        raise Refused(Reason.UNSUPPORTED_TYPE, "transparent frames: what shows through would be lost")
