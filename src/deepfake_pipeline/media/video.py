"""Videos: what a file holds, and chosen frames of it as RGB with exact times, in constant memory."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from deepfake_pipeline.media.container import LIMITS, Frame, Index, OpenVideo, VideoLimits, opened
from deepfake_pipeline.media.images import RGBImage
from deepfake_pipeline.media.sampling import SceneCuts, VideoSampling, planned_frames
from deepfake_pipeline.media.upright import rgb, shown_size, turned, upright
from deepfake_pipeline.tables import Refused

_WORTH_A_SEEK = 8  # frames: fewer are decoded rather than jumped over


@dataclass(frozen=True)
class VideoInfo:
    """What a video file holds.

    Attributes:
        width: px of a frame, upright; pixels are taken as square.
        height: px of a frame, upright.
        frames: as the container counts them; None where it does not. A damaged file may hold fewer.
        seconds: duration as the container gives it; None where it does not.
        fps: frames a second, the mean; None where it is unknown.
        codec: FFmpeg's name of the picture's codec.
        rotation: degrees clockwise by which stored frames are turned to stand upright: 0, 90, 180 or 270.
        audio: FFmpeg's name of the sound's codec, None without sound. Sound is not read.
    """

    width: int
    height: int
    frames: int | None
    seconds: float | None
    fps: float | None
    codec: str
    rotation: int
    audio: str | None


class VideoFrame(NamedTuple):
    """One frame.

    Attributes:
        number: how many frames of the file are shown before it.
        seconds: when it is shown, by the file's own clock: its time stamp times its time base.
        image: RGB uint8 ``(H, W, 3)``, upright.
    """

    number: int
    seconds: Fraction
    image: RGBImage


def probe_video(path: Path, limits: VideoLimits = LIMITS) -> VideoInfo:
    """What a file holds, from its header and its first frame.

    Raises:
        Refused: see :func:`sample_frames`.
    """
    with opened(path, limits) as video:
        first = video.first()
        stream = video.stream
        height, width = shown_size(first)
        return VideoInfo(
            width=width,
            height=height,
            frames=stream.frames or None,
            seconds=video.seconds(),
            fps=float(stream.average_rate) if stream.average_rate else None,
            codec=str(stream.codec_context.name),
            rotation=turned(first),
            audio=video.audio(),
        )


class FirstLook(NamedTuple):
    """What the index wants to know of a video.

    Attributes:
        image: the first frame that can be decoded, RGB uint8 ``(H, W, 3)``, upright.
        audio: FFmpeg's name of the sound's codec, None without sound.
    """

    image: RGBImage
    audio: str | None


def first_look(path: Path, limits: VideoLimits = LIMITS) -> FirstLook:
    """The first frame, and whether there is sound, at one opening of the file.

    Raises:
        Refused: see :func:`sample_frames`.
    """
    with opened(path, limits) as video:
        return FirstLook(upright(video.first()), video.audio())


def sample_frames(
    path: Path, sampling: VideoSampling | None = None, limits: VideoLimits = LIMITS
) -> Iterator[VideoFrame | Refused]:
    """Chosen frames of a video in the order in which they are shown, one in memory at a time.

    The file is read once without decoding, for the time of each frame; then what is not wanted is jumped over,
    from key frame to key frame, and the result is that of decoding everything. Where time stamps are missing
    or doubled, frames are counted by decoding all of them. Where a chosen frame is damaged, the next one that
    can be decoded stands for it.

    Yields:
        Frames; and where part of the file is damaged or missing, one ``Refused`` after them, ``unreadable``.

    Raises:
        Refused: nothing of it can be used: ``missing``; ``empty`` (no bytes, no frames); ``unsupported_type`` (no
            video, or sound alone); ``unreadable``; ``too_small``, ``decompression_bomb``, ``too_large`` and
            ``timeout`` by the limits. The last three may come after frames were yielded, if the header lied.
    """
    sampling = sampling or VideoSampling()
    with opened(path, limits) as video:
        index = video.index()
        if sampling.by == "scenes":
            frames = _scenes(video, index, sampling)
        elif index is None:
            frames = _counted(video, sampling)
        else:
            frames = _sought(video, index, planned_frames(index.times, video.unit, sampling))
        any_frame = False
        for number, frame in frames:
            any_frame = True
            yielded = VideoFrame(number, frame.pts * frame.time_base, upright(frame))
            with video.paused():
                yield yielded
        if not any_frame:
            raise video.nothing()
        if damage := video.damaged():
            yield damage


class Played(NamedTuple):
    """A file that is read once from its beginning, with its sound.

    Attributes:
        picture: PyAV's stream of the picture.
        sound: PyAV's streams of the sound; not decoded.
        parts: decoded frames and packets of sound, as they lie in the file.
        upright: RGB uint8 ``(H, W, 3)`` of a frame.
        paused: time that passes in it is not counted against the file.
    """

    picture: Any
    sound: tuple[Any, ...]
    parts: Iterator[Any]
    upright: Callable[[Frame], RGBImage]
    paused: Callable[[], AbstractContextManager[None]]


@contextmanager
def played(path: Path, limits: VideoLimits = LIMITS) -> Iterator[Played]:
    """Open a file to read all of it; one frame is in memory at a time.

    Raises:
        Refused: as :func:`sample_frames`; from the parts too, and at their end where any of them is damaged.
    """
    with opened(path, limits) as video:
        sound = tuple(video.container.streams.audio)
        yield Played(video.stream, sound, video.interleaved(sound), upright, video.paused)


def _sought(video: OpenVideo, index: Index, wanted: list[int]) -> Iterator[tuple[int, Frame]]:
    """The wanted frames, jumping from key frame to key frame as long as the container lands where it should."""
    may_seek, at, place = True, -1, 0
    frames = video.decoded()
    pending = [index.times[number] for number in wanted]
    while place < len(pending):
        time, landing = pending[place], False
        key = index.key_before(time)
        if may_seek and key is not None and index.number(key) > at + _WORTH_A_SEEK:
            video.seek(key)
            frames, landing = video.decoded(), True
        frame = next(frames, None)
        if landing and (frame is None or frame.pts > time):  # the container went too far: decode from the beginning
            may_seek = False
            video.rewind()
            frames = video.decoded()
            frame = next(frames, None)
        while frame is not None and frame.pts < time:
            frame = next(frames, None)
        if frame is None:
            return
        at = index.number(frame.pts)
        yield at, frame
        place = bisect_right(pending, frame.pts)


def _counted(video: OpenVideo, sampling: VideoSampling) -> Iterator[tuple[int, Frame]]:
    """The wanted frames of a file whose packets do not tell: decoded once to count, and again to take them."""
    times = array("q", (frame.pts for frame in video.decoded()))
    wanted = set(planned_frames(times, video.unit, sampling))
    video.rewind()
    yield from ((number, frame) for number, frame in enumerate(video.decoded()) if number in wanted)


def _scenes(video: OpenVideo, index: Index | None, sampling: VideoSampling) -> Iterator[tuple[int, Frame]]:
    cuts, found = SceneCuts(sampling.scene_change), 0
    for count, frame in enumerate(video.decoded()):
        if cuts.starts(rgb(frame)):
            yield count if index is None else index.number(frame.pts), frame
            found += 1
            if found == sampling.max_frames:
                return
