"""Videos that are changed and written again, read back by PyAV's own loop."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from deepfake_pipeline.media.container import VideoLimits
from deepfake_pipeline.media.images import RGBImage
from deepfake_pipeline.media.rewrite import CODEC, rewrite_video, rewritten_name
from deepfake_pipeline.media.video import first_look, probe_video
from deepfake_pipeline.metrics.fidelity import psnr
from deepfake_pipeline.tables import Reason, Refused
from tests.media.clips import counted, decoded_plainly, number_of, write_sound, write_video

NUMBERS = list(range(30))
UNEVEN = [40 * number + number % 3 * 7 for number in NUMBERS]


def same(image: RGBImage) -> RGBImage:
    return image


def packets_of_sound(path: Path) -> list[tuple[bytes, Fraction]]:
    with av.open(str(path)) as file:
        return [(bytes(packet), packet.pts * packet.time_base) for packet in file.demux(audio=0) if packet.size]


def refused(source: Path, target: Path, limits: VideoLimits | None = None) -> Refused:
    with pytest.raises(Refused) as found:
        rewrite_video(source, target, same, limits)
    assert not target.parent.exists() or not list(target.parent.iterdir()), "something was left behind"
    return found.value


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "mpeg4"), ("a.mkv", "libx264"), ("a.avi", "mpeg4"), ("a.mov", "libx264")]
)
def test_frames_times_and_sound_stay(name: str, codec: str, tmp_path: Path) -> None:
    times = None if name.endswith("avi") else UNEVEN
    source = write_video(tmp_path / name, [counted(n) for n in NUMBERS], times, codec=codec, sound=True)
    target = tmp_path / "out" / rewritten_name(Path(name))
    rewrite_video(source, target, same)
    before, after = decoded_plainly(source), decoded_plainly(target)
    heard, hears = packets_of_sound(source), packets_of_sound(target)
    # Matroska knows no time before 0: where sound begins earlier, sound and picture move together.
    moved = hears[0][1] - heard[0][1]
    assert moved == 0 or (name == "a.mov" and heard[0][1] == -moved)
    assert [time for time, _ in after] == [time + moved for time, _ in before]
    assert hears == [(data, time + moved) for data, time in heard]
    assert [number_of(image) for _, image in after] == NUMBERS
    assert min(psnr(a, b) for (_, a), (_, b) in zip(before, after, strict=True)) > 35
    assert probe_video(target).codec == "vp9"
    assert [file.name for file in target.parent.iterdir()] == [target.name]


def test_every_frame_is_changed_once_and_in_order(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", [counted(number) for number in NUMBERS])
    seen = []

    def negative(image: RGBImage) -> RGBImage:
        seen.append(number_of(image))
        return 255 - image

    rewrite_video(source, tmp_path / "b.mp4", negative)
    assert seen == NUMBERS
    for (_, before), (_, after) in zip(decoded_plainly(source), decoded_plainly(tmp_path / "b.mp4"), strict=True):
        assert psnr(255 - before, after) > 35


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_what_a_player_turns_comes_out_upright(rotation: int, tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", [counted(number) for number in range(3)], rotation=rotation)
    rewrite_video(source, tmp_path / "b.mp4", same)
    assert probe_video(tmp_path / "b.mp4").rotation == 0
    shown, stored = first_look(source).image, decoded_plainly(tmp_path / "b.mp4")[0][1]
    assert stored.shape == shown.shape
    assert psnr(shown, stored) > 35


@pytest.mark.parametrize("colours", [1, 5])
def test_colours_are_those_of_the_source_matrix(colours: int, tmp_path: Path) -> None:
    """1 is BT.709, 5 is BT.601: a player that goes by the tag shows what was there."""
    source = tmp_path / "a.mp4"
    image = np.zeros((64, 96, 3), np.uint8)
    image[:, :48], image[:, 48:] = [200, 40, 60], [30, 160, 220]
    with av.open(str(source), "w") as file:
        stream: Any = file.add_stream("libvpx-vp9", rate=25, options={"crf": "4", "b": "0"})
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        stream.codec_context.colorspace = colours
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p", dst_colorspace=colours)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    rewrite_video(source, tmp_path / "b.mp4", same)
    with av.open(str(tmp_path / "b.mp4")) as file:
        assert next(file.decode(video=0)).colorspace == colours
    assert psnr(image, first_look(source).image) > 30
    assert psnr(image, first_look(tmp_path / "b.mp4").image) > 30


@pytest.mark.parametrize("size", [(17, 33), (64, 97), (65, 96)])
def test_odd_sizes_stay(size: tuple[int, int], tmp_path: Path) -> None:
    images = [np.full((*size, 3), 100 + 20 * number, np.uint8) for number in range(4)]
    source = tmp_path / "a.mkv"
    with av.open(str(source), "w") as file:
        stream: Any = file.add_stream("ffv1", rate=25)
        (stream.height, stream.width), stream.pix_fmt = size, "yuv444p"
        for image in images:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode(None))
    rewrite_video(source, tmp_path / "b.mkv", same)
    after = decoded_plainly(tmp_path / "b.mkv")
    assert [image.shape for _, image in after] == [(*size, 3)] * 4
    assert [image.mean() for _, image in after] == pytest.approx([100, 120, 140, 160], abs=3)


def test_memory_does_not_grow_with_the_video(tmp_path: Path) -> None:
    short = write_video(tmp_path / "short.mp4", [counted(n % 256, 240, 320) for n in range(5)], sound=True)
    long = write_video(tmp_path / "long.mp4", [counted(n % 256, 240, 320) for n in range(60)], sound=True)
    peaks = []
    for source in (short, short, long):  # the first one loads libraries
        tracemalloc.start()
        rewrite_video(source, tmp_path / "out.mp4", same)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 3 * 240 * 320 * 3


class TestRefusals:
    def test_more_than_eight_bits(self, tmp_path: Path) -> None:
        source = tmp_path / "deep.mkv"
        with av.open(str(source), "w") as file:
            stream: Any = file.add_stream("ffv1", rate=25)
            stream.height, stream.width, stream.pix_fmt = 64, 64, "yuv420p10le"
            file.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p10le")))
            file.mux(stream.encode(None))
        found = refused(source, tmp_path / "out/deep.mkv")
        assert (found.reason, found.detail) == (
            Reason.UNSUPPORTED_TYPE,
            "10 bits a sample: more than 8 would be lost",
        )

    def test_a_damaged_video_is_not_written_in_part(self, tmp_path: Path) -> None:
        source = write_video(tmp_path / "cut.mp4", [counted(n) for n in NUMBERS], container={"movflags": "faststart"})
        data = source.read_bytes()
        source.write_bytes(data[: len(data) * 2 // 3])
        found = refused(source, tmp_path / "out/cut.mp4")
        assert found.reason is Reason.UNREADABLE
        assert "damaged" in found.detail

    def test_what_is_no_video(self, tmp_path: Path) -> None:
        (tmp_path / "a.mp4").write_bytes(b"no video at all, but some text of a few bytes")
        assert refused(tmp_path / "a.mp4", tmp_path / "out/a.mp4").reason is Reason.UNSUPPORTED_TYPE
        assert refused(write_sound(tmp_path / "s.mp4"), tmp_path / "out/s.mp4").detail == "sound alone, no picture"

    def test_a_failure_of_the_change_leaves_nothing(self, tmp_path: Path) -> None:
        source = write_video(tmp_path / "a.mp4", [counted(number) for number in range(5)])

        def fails(image: RGBImage) -> RGBImage:
            raise RuntimeError("no more")

        with pytest.raises(RuntimeError, match="no more"):
            rewrite_video(source, tmp_path / "out/a.mp4", fails)
        assert not list((tmp_path / "out").iterdir())


def test_the_encoder_is_not_under_the_gpl() -> None:
    assert CODEC == "libvpx-vp9"
