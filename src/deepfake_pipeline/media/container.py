"""An open video file: packets and frames in order, damage noted on the way, limits kept.

FFmpeg decodes (through PyAV), on one thread. Files alone are read: playlists and other formats that name further
files or addresses are refused, whatever their name ends in.
"""

from __future__ import annotations

import stat
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from deepfake_pipeline.media.images import HEAD_BYTES
from deepfake_pipeline.media.kinds import looks_like_video
from deepfake_pipeline.tables import Reason, Refused

CONTAINERS = "mov,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg"

_EDGES = 1 << 20  # px at most around the pictures that small frames make

Frame = Any  # av.VideoFrame
_clock = time.monotonic


class VideoLimits(BaseModel):
    """What a video file may be at most."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_bytes: int = Field(8 * 2**30, ge=1, description="bytes of a file at most; larger ones are too_large")
    max_pixels: int = Field(
        50_000_000, ge=1, description="width × height of a frame at most; more is a decompression_bomb"
    )
    min_side: int = Field(16, ge=1, le=4096, description="px of the shorter side at least; less is too_small")
    max_seconds: float = Field(4 * 3600.0, gt=0, description="duration at most; longer ones are too_large")
    timeout: float = Field(
        600.0, gt=0, description="seconds of reading and decoding one file at most; beyond them: timeout"
    )


LIMITS = VideoLimits()


@dataclass(frozen=True)
class Index:
    """Times of all frames of a file and of its key frames, in units of the stream, rising."""

    times: array[int]
    keys: array[int]

    def number(self, time: int) -> int:
        return bisect_left(self.times, time)

    def key_before(self, time: int) -> int | None:
        place = bisect_right(self.keys, time)
        return self.keys[place - 1] if place else None


class OpenVideo:
    """The first stream of pictures of an open file.

    Attributes:
        container: PyAV's.
        stream: PyAV's, of the pictures.
        limits: that are kept.
        unit: of times, in seconds.
    """

    def __init__(self, container: Any, stream: Any, limits: VideoLimits) -> None:
        self.container, self.stream, self.limits = container, stream, limits
        self.unit = Fraction(stream.time_base)
        self._deadline = _clock() + limits.timeout
        self._damage: str = ""
        self._first: int | None = None

    def seconds(self) -> float | None:
        """Duration by the header, None where it has none."""
        if self.stream.duration:
            return float(self.stream.duration * self.unit)
        return self.container.duration / 1e6 if self.container.duration else None

    def audio(self) -> str | None:
        """FFmpeg's name of the sound's codec, None without sound."""
        streams = self.container.streams.audio
        if not streams:
            return None
        context = streams[0].codec_context
        return "unknown" if context is None else str(context.name)

    def index(self) -> Index | None:
        """Times of all frames, by reading without decoding; None where they do not tell frames apart."""
        times, keys = array("q"), array("q")
        exact = True
        for packet in self._packets():
            if packet.is_discard:
                continue
            if packet.pts is None:
                exact = False
            else:
                times.append(packet.pts)
                if packet.is_keyframe:
                    keys.append(packet.pts)
        self.rewind()
        times, keys = array("q", sorted(times)), array("q", sorted(keys))
        if not exact or not keys or any(a == b for a, b in pairwise(times)):
            return None
        if self.stream.frames > len(times) and self._damage == "":
            self.note(f"{len(times)} of {self.stream.frames} frames are there")
        return Index(times, keys)

    def decoded(self) -> Iterator[Frame]:
        """Frames from where the file stands, as they are shown; what is damaged is left out and noted."""
        for packet in self._packets(flush=True):
            yield from self._frames(packet)

    def interleaved(self, sound: Sequence[Any]) -> Iterator[Any]:
        """Frames, and packets of sound, as they lie in the file; what is damaged is refused at the end."""
        any_frame = False
        for packet in self._packets(flush=True, sound=sound):
            if packet.stream_index != self.stream.index:
                if packet.size:
                    yield packet
                continue
            for frame in self._frames(packet):
                any_frame = True
                yield frame
        if not any_frame:
            raise self.nothing()
        if damage := self.damaged():
            raise damage

    def _frames(self, packet: Any) -> Iterator[Frame]:
        try:
            frames = packet.decode()
        except _failures() as error:
            self._check_refused_size(error)
            self.note(_one_line(error))
            return
        for frame in frames:
            if frame.is_corrupt or frame.pts is None:
                self.note("frames that cannot be decoded")
                continue
            self._check(frame)
            yield frame

    def first(self) -> Frame:
        """The first frame that can be decoded.

        Raises:
            Refused: there is none.
        """
        frame = next(self.decoded(), None)
        if frame is None:
            raise self.nothing()
        return frame

    def _packets(self, flush: bool = False, sound: Sequence[Any] = ()) -> Iterator[Any]:
        packets = self.container.demux(self.stream, *sound)
        while True:
            self._check_time()
            try:
                packet = next(packets, None)
            except _failures() as error:
                self._check_time()
                self.note(_one_line(error))
                return
            if packet is None:
                return
            if packet.size == 0 and not flush:
                continue
            if packet.is_corrupt:
                self.note("the file is cut off")
                continue
            yield packet

    def rewind(self) -> None:
        """Go back to the beginning."""
        self.seek(min(self.stream.start_time or 0, 0))

    def seek(self, time: int) -> None:
        """Go to the key frame at or before a time, as far as the container knows."""
        try:
            self.container.seek(time, stream=self.stream, backward=True)
        except _failures() as error:
            raise Refused(Reason.UNREADABLE, _one_line(error)) from error

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time that passes here is not the file's fault."""
        since = _clock()
        yield
        self._deadline += _clock() - since

    def note(self, damage: str) -> None:
        """Remember what is wrong with the file; the first thing tells the most."""
        self._damage = self._damage or damage

    def damaged(self) -> Refused | None:
        """What was noted."""
        return Refused(Reason.UNREADABLE, f"damaged: {self._damage}") if self._damage else None

    def nothing(self) -> Refused:
        """Why no frame came out."""
        return self.damaged() or Refused(Reason.EMPTY, "no frames")

    def _check_time(self) -> None:
        if _clock() > self._deadline:
            raise Refused(Reason.TIMEOUT, f"not decoded in {self.limits.timeout:g} s")

    def _check(self, frame: Frame) -> None:
        check_size(frame.width, frame.height, self.limits)
        self._first = frame.pts if self._first is None else min(self._first, frame.pts)
        self._check_seconds(float((frame.pts - self._first) * self.unit))

    def _check_refused_size(self, error: Exception) -> None:
        """Tell a frame of a size that the decoder was told to refuse from a damaged one."""
        from av.error import ArgumentError

        context = self.stream.codec_context
        size = context.width * context.height
        if size > self.limits.max_pixels or (size == 0 and isinstance(error, ArgumentError)):
            raise Refused(Reason.DECOMPRESSION_BOMB, f"frames of more than {self.limits.max_pixels:,} pixels")

    def check_header(self) -> None:
        """Refuse by the header what is beyond the limits, before anything is decoded."""
        context = self.stream.codec_context
        if context.width and context.height:
            check_size(context.width, context.height, self.limits)
        self._check_seconds(self.seconds() or 0)

    def _check_seconds(self, seconds: float) -> None:
        if seconds > self.limits.max_seconds:
            raise Refused(Reason.TOO_LARGE, f"{seconds:.0f} s, the limit is {self.limits.max_seconds:g}")


def check_size(width: int, height: int, limits: VideoLimits) -> None:
    """Refuse frames of a size outside the limits, in px."""
    if width * height > limits.max_pixels:
        raise Refused(Reason.DECOMPRESSION_BOMB, f"{width}×{height} pixels, the limit is {limits.max_pixels:,}")
    if min(width, height) < limits.min_side:
        raise Refused(Reason.TOO_SMALL, f"{width}×{height} pixels, a side has at least {limits.min_side}")


@contextmanager
def opened(path: Path, limits: VideoLimits) -> Iterator[OpenVideo]:
    """Open a file as long as the context lasts.

    Raises:
        Refused: no video, nothing that can be read, or beyond the limits by its header.
    """
    import av

    head = _head(path, limits)
    # Beyond it FFmpeg decodes nothing, whatever a header says; it counts the edges of its buffers too.
    largest = {"max_pixels": str(limits.max_pixels * 5 // 4 + _EDGES)}
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file", **largest}
    try:
        container = av.open(f"file:{path}", options=options, timeout=(limits.timeout, limits.timeout))
    except av.error.ExitError as error:
        raise Refused(Reason.TIMEOUT, f"not opened in {limits.timeout:g} s") from error
    except _failures() as error:
        if looks_like_video(head):
            raise Refused(Reason.UNREADABLE, _one_line(error)) from error
        raise Refused(Reason.UNSUPPORTED_TYPE, "not a video of a known container") from error
    with container:
        pictures = [one for one in container.streams.video if not one.disposition & av.stream.Disposition.attached_pic]
        if not pictures:
            if container.streams.audio:
                raise Refused(Reason.UNSUPPORTED_TYPE, "sound alone, no picture")
            raise Refused(Reason.UNREADABLE, "no picture in it")
        stream = pictures[0]
        if stream.codec_context is None:
            raise Refused(Reason.UNSUPPORTED_TYPE, "a codec that is not known")
        stream.codec_context.thread_count = 1
        stream.codec_context.options = largest
        video = OpenVideo(container, stream, limits)
        video.check_header()
        yield video


def _head(path: Path, limits: VideoLimits) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise Refused(Reason.UNSUPPORTED_TYPE, "not a regular file")
        if status.st_size == 0:
            raise Refused(Reason.EMPTY, "0 bytes")
        if status.st_size > limits.max_bytes:
            raise Refused(Reason.TOO_LARGE, f"{status.st_size:,} bytes, the limit is {limits.max_bytes:,}")
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Refused(Reason.MISSING, "not in the source") from error
    except (OSError, ValueError) as error:
        raise Refused(Reason.UNREADABLE, str(error)) from error


def _failures() -> tuple[type[Exception], ...]:
    """What damaged files make PyAV raise."""
    import av

    return av.FFmpegError, OSError, ValueError, ArithmeticError, LookupError, MemoryError


def _one_line(error: Exception) -> str:
    """FFmpeg's message without the number and the path that PyAV puts around it."""
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split())[:200] or type(error).__name__
