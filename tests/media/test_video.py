"""Frames of generated videos, against PyAV's own loop and against what was drawn."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from deepfake_pipeline.media import container
from deepfake_pipeline.media.container import VideoLimits
from deepfake_pipeline.media.sampling import VideoSampling
from deepfake_pipeline.media.video import VideoFrame, VideoInfo, probe_video, sample_frames
from deepfake_pipeline.tables import Reason, Refused
from tests.media.clips import counted, decoded_plainly, number_of, write_sound, write_video
from tests.media.pictures import encoded, smooth

EVERY = VideoSampling(count=10_000, max_frames=10_000)
KINDS = {
    "mpeg4.mp4": {"codec": "mpeg4"},
    "mpeg4_b.mp4": {"codec": "mpeg4", "bf": "2"},
    "h264.mp4": {"codec": "libx264"},
    "h264_open.mp4": {"codec": "libx264", "x264-params": "open-gop=1:bframes=3:scenecut=0"},
    "h264_open.mkv": {"codec": "libx264", "x264-params": "open-gop=1:bframes=3:scenecut=0"},
    "h264.ts": {"codec": "libx264"},
    "mpeg4_b.avi": {"codec": "mpeg4", "bf": "2"},
    "ffv1.mkv": {"codec": "ffv1"},
    "vp8.webm": {"codec": "libvpx", "deadline": "realtime"},
    "flv1.flv": {"codec": "flv1"},
}


def _frames(path: Path, sampling: VideoSampling | None = None, limits: VideoLimits | None = None) -> list[VideoFrame]:
    found = list(sample_frames(path, sampling, limits or VideoLimits()))
    assert all(isinstance(one, VideoFrame) for one in found), found
    return found


def _refused(path: Path, limits: VideoLimits | None = None) -> Refused:
    with pytest.raises(Refused) as refused:
        list(sample_frames(path, EVERY, limits or VideoLimits()))
    assert "\n" not in refused.value.detail
    return refused.value


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 numbered frames, 25 a second, a key frame every twelve; the header stands before the frames."""
    path = tmp_path_factory.mktemp("video") / "steady.mp4"
    return write_video(path, [counted(number) for number in range(100)], container={"movflags": "faststart"})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [3, 10, 10_000])
def test_sought_frames_are_those_of_decoding_everything(kind: str, count: int, tmp_path: Path) -> None:
    path = write_video(tmp_path / kind, [counted(number) for number in range(80)], **KINDS[kind])  # type: ignore[arg-type]
    plain = decoded_plainly(path)
    assert len(plain) == 80
    found = _frames(path, VideoSampling(count=count))
    assert len(found) == min(count, 80)
    for frame in found:
        assert number_of(frame.image) == frame.number
        assert frame.seconds == plain[frame.number][0]
        np.testing.assert_array_equal(frame.image, plain[frame.number][1])


def test_chosen_frames_are_spread_and_exactly_timed(steady: Path) -> None:
    found = _frames(steady, VideoSampling(count=4))
    assert [frame.number for frame in found] == [12, 37, 62, 87]
    assert [frame.seconds for frame in found] == [Fraction(number, 25) for number in (12, 37, 62, 87)]


def test_few_frames_of_a_long_video_are_not_decoded_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "long.mp4", [counted(number % 256) for number in range(600)])
    checked = []
    monkeypatch.setattr(container, "check_size", lambda *size: checked.append(size))
    assert [frame.number for frame in _frames(path, VideoSampling(count=4))] == [75, 225, 375, 525]
    assert len(checked) < 60


def test_a_container_that_seeks_too_far_changes_nothing(steady: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = _frames(steady, VideoSampling(count=5))
    seek = container.OpenVideo.seek
    for wrong in (10_000, 90_000):  # into the middle, and beyond the end, in units of the stream
        monkeypatch.setattr(
            container.OpenVideo, "seek", lambda self, time, wrong=wrong: seek(self, time + wrong if time > 0 else time)
        )
        found = _frames(steady, VideoSampling(count=5))
        assert [frame.number for frame in found] == [frame.number for frame in plain]
        assert all(np.array_equal(a.image, b.image) for a, b in zip(found, plain, strict=True))


def test_packets_that_tell_no_times_are_counted_by_decoding(steady: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = _frames(steady, VideoSampling(by="rate", rate=3))
    index = container.OpenVideo.index
    monkeypatch.setattr(container.OpenVideo, "index", lambda self: index(self) and None)
    found = _frames(steady, VideoSampling(by="rate", rate=3))
    assert [(a.number, a.seconds) for a in found] == [(b.number, b.seconds) for b in known]
    assert [number_of(frame.image) for frame in found] == [frame.number for frame in known]


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    times = [0, 33, 50, 200, 1000, 1001, 1040, 2500, 2540, 4000]
    path = write_video(tmp_path / "uneven.mp4", [counted(number) for number in range(10)], times)
    found = _frames(path, EVERY)
    assert [frame.seconds for frame in found] == [Fraction(time, 1000) for time in times]
    assert [frame.number for frame in _frames(path, VideoSampling(by="rate", rate=1))] == [0, 4, 7, 9]


@pytest.mark.parametrize(("counter_clockwise", "turns"), [(90, 1), (180, 2), (-90, 3)])
def test_rotated_videos_stand_upright(counter_clockwise: int, turns: int, tmp_path: Path) -> None:
    path = write_video(tmp_path / "turned.mp4", [counted(5)] * 3, rotation=counter_clockwise)
    info, frame = probe_video(path), _frames(path)[0]
    assert info.rotation == -counter_clockwise % 360
    assert frame.image.shape[:2] == (info.height, info.width) == ((96, 64) if turns % 2 else (64, 96))
    assert frame.image.flags.c_contiguous
    np.testing.assert_array_equal(frame.image, np.rot90(decoded_plainly(path)[0][1], turns))


def test_a_mirrored_video_is_mirrored_back(tmp_path: Path) -> None:
    path = write_video(tmp_path / "turned.mp4", [counted(5)] * 3, rotation=180)
    data = path.read_bytes()
    minus, plus = (-65536).to_bytes(4, "big", signed=True), (65536).to_bytes(4, "big")
    half_turn = minus + bytes(12) + minus
    assert data.count(half_turn) == 1
    path.write_bytes(data.replace(half_turn, minus + bytes(12) + plus))
    np.testing.assert_array_equal(_frames(path)[0].image, decoded_plainly(path)[0][1][:, ::-1])


def test_probe_tells_what_was_written(steady: Path, tmp_path: Path) -> None:
    assert probe_video(steady) == VideoInfo(96, 64, 100, 4.0, 25.0, "mpeg4", 0, None)
    with_sound = probe_video(write_video(tmp_path / "sound.mp4", [counted(0)] * 10, sound=True))
    assert (with_sound.audio, with_sound.frames) == ("aac", 10)
    assert len(_frames(tmp_path / "sound.mp4", EVERY)) == 10
    assert probe_video(write_video(tmp_path / "uncounted.mkv", [counted(0)] * 10)).frames is None


def test_colours_are_those_that_were_drawn(tmp_path: Path) -> None:
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (128, 128, 128), (250, 250, 250), (5, 5, 5)]
    images = [np.full((64, 96, 3), colour, np.uint8) for colour in colours]
    path = write_video(tmp_path / "colours.mp4", images, gop=1, codec="libx264", qp="4")
    for frame, colour in zip(_frames(path, EVERY), colours, strict=True):
        assert np.abs(frame.image.reshape(-1, 3).mean(axis=0) - colour).max() < 4


def test_scenes_give_their_first_frames(tmp_path: Path) -> None:
    images = [smooth(scene, 64, 96) for scene in range(4) for _ in range(9)]
    path = write_video(tmp_path / "scenes.mp4", images)
    assert [frame.number for frame in _frames(path, VideoSampling(by="scenes"))] == [0, 9, 18, 27]
    assert [frame.number for frame in _frames(path, VideoSampling(by="scenes", max_frames=2))] == [0, 9]


@pytest.mark.parametrize("share", [0.4, 0.6, 0.9, 0.995])
def test_a_truncated_video_gives_what_is_there_and_says_so_once(steady: Path, share: float, tmp_path: Path) -> None:
    data = steady.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: int(len(data) * share)])
    *frames, last = sample_frames(path, EVERY)
    assert isinstance(last, Refused) and last.reason is Reason.UNREADABLE and last.detail.startswith("damaged: ")
    assert 0 < len(frames) < 100
    assert [frame.number for frame in frames] == list(range(len(frames)))  # type: ignore[union-attr]
    assert all(number_of(frame.image) == frame.number for frame in frames)  # type: ignore[union-attr]
    three = list(sample_frames(path, VideoSampling(count=3)))
    assert [type(one) for one in three] == [VideoFrame] * 3 + [Refused]


def test_what_is_no_video_is_refused(tmp_path: Path, steady: Path) -> None:
    head = steady.read_bytes()[:100]
    cases = {
        "text.mp4": (b"Not a video.\n" * 40, Reason.UNSUPPORTED_TYPE),
        "empty.mp4": (b"", Reason.EMPTY),
        "picture.mp4": (encoded(smooth(1), "JPEG"), Reason.UNSUPPORTED_TYPE),
        "header.mp4": (head, Reason.UNREADABLE),
        "zeros.mp4": (bytes(5000), Reason.UNSUPPORTED_TYPE),
    }
    for name, (data, reason) in cases.items():
        (tmp_path / name).write_bytes(data)
        assert _refused(tmp_path / name).reason is reason, name
    assert _refused(tmp_path / "absent.mp4").reason is Reason.MISSING
    assert _refused(tmp_path).reason is Reason.UNSUPPORTED_TYPE
    sound = _refused(write_sound(tmp_path / "sound.mp4"))
    assert sound.reason is Reason.UNSUPPORTED_TYPE and "sound alone" in sound.detail


def test_playlists_open_no_other_file(tmp_path: Path, steady: Path) -> None:
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile {steady}\n")
    (tmp_path / "list.m3u8").write_text(f"#EXTM3U\n#EXTINF:4,\nfile://{steady}\n#EXT-X-ENDLIST\n")
    for name in ("list.mp4", "list.m3u8"):
        assert _refused(tmp_path / name).reason is Reason.UNSUPPORTED_TYPE
    assert _refused(Path(f"concat:{steady}|{steady}")).reason is Reason.MISSING


def test_odd_names_are_files_like_any_other(tmp_path: Path, steady: Path) -> None:
    for name in ("a b%20c.mp4", "pipe:1.mp4", "émoi,|?.mp4", "-i.mp4"):
        (tmp_path / name).write_bytes(steady.read_bytes())
        assert len(_frames(tmp_path / name)) == 8


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_bytes": 1000}, Reason.TOO_LARGE),
        ({"max_pixels": 96 * 64 - 1}, Reason.DECOMPRESSION_BOMB),
        ({"min_side": 65}, Reason.TOO_SMALL),
        ({"max_seconds": 3.9}, Reason.TOO_LARGE),
        ({"timeout": 1e-9}, Reason.TIMEOUT),
    ],
)
def test_limits(steady: Path, limits: dict[str, float], reason: Reason) -> None:
    assert _refused(steady, VideoLimits.model_validate(limits)).reason is reason


@pytest.mark.parametrize("side", [64, 2400])
@pytest.mark.parametrize("kind", ["mpeg4.mp4", "h264.mp4", "vp8.webm", "flv1.flv"])
def test_frames_over_the_limit_are_told_from_damage(tmp_path: Path, kind: str, side: int) -> None:
    path = write_video(tmp_path / kind, [counted(number, side, side) for number in range(2)], **KINDS[kind])  # type: ignore[arg-type]
    assert len(_frames(path, EVERY, VideoLimits(max_pixels=side**2))) == 2
    for most in (side**2 - 1, side**2 // 2, 3000):
        assert _refused(path, VideoLimits(max_pixels=most)).reason is Reason.DECOMPRESSION_BOMB


@pytest.mark.parametrize("side", [128, 2400])
def test_frames_that_grow_behind_the_header(tmp_path: Path, side: int) -> None:
    first = write_video(tmp_path / "first.ts", [counted(number, 64, 96) for number in range(9)], codec="libx264")
    then = write_video(tmp_path / "then.ts", [counted(number, side, side) for number in range(9)], codec="libx264")
    (tmp_path / "both.ts").write_bytes(first.read_bytes() + then.read_bytes())
    assert _refused(tmp_path / "both.ts", VideoLimits(max_pixels=96 * 64)).reason is Reason.DECOMPRESSION_BOMB


def test_a_frame_larger_than_its_header_says_is_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "lie.avi"
    picture = encoded(Image.new("RGB", (12_000, 12_000)), "JPEG")  # 216 MB as it is decoded
    with av.open(str(path), "w") as target:
        stream = target.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        packet = av.Packet(picture)
        packet.stream, packet.pts, packet.dts, packet.time_base = stream, 0, 0, Fraction(1, 10)
        target.mux(packet)
    code = (
        "import resource, sys; from pathlib import Path; import av; from deepfake_pipeline.media.video import *\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "try: probe_video(Path(sys.argv[1]))\n"
        "except Refused as refused: print(refused.reason.value, (peak() - before) // 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    reason, grown = done.stdout.split()
    assert reason == "decompression_bomb" and int(grown) < 100  # MiB


def test_a_header_that_lies_about_its_duration_does_not_help(steady: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container.OpenVideo, "seconds", lambda self: None)
    with pytest.raises(Refused, match="too_large"):
        list(sample_frames(steady, VideoSampling(count=4), VideoLimits(max_seconds=2)))


def test_time_spent_on_a_frame_elsewhere_does_not_count(steady: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(container, "_clock", lambda: now[0])
    frames = sample_frames(steady, EVERY, VideoLimits(timeout=10))
    for _ in range(50):
        next(frames)
        now[0] += 1000
    monkeypatch.setattr(container, "_clock", lambda: now.__setitem__(0, now[0] + 1) or now[0])
    with pytest.raises(Refused, match="timeout"):
        list(frames)


def test_one_frame_at_a_time_is_in_memory(tmp_path: Path) -> None:
    path = write_video(tmp_path / "many.mp4", [counted(number % 256, 240, 320) for number in range(200)])
    next(sample_frames(path, EVERY))
    tracemalloc.start()
    assert sum(1 for _ in sample_frames(path, EVERY)) == 200
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * 240 * 320 * 3


@pytest.mark.parametrize("kind", ["mpeg4.mp4", "h264_open.mkv", "mpeg4_b.avi"])
def test_damaged_files_give_frames_or_a_reason(kind: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / kind, [counted(number) for number in range(30)], **KINDS[kind])  # type: ignore[arg-type]
    whole, rng = np.frombuffer(path.read_bytes(), np.uint8), np.random.default_rng(0)
    for _ in range(40):
        data = whole.copy()
        at = rng.integers(0, len(data), rng.integers(1, 60))
        data[at] = rng.integers(0, 256, len(at))
        path.write_bytes(data[: rng.integers(len(data) // 2, len(data) + 1)].tobytes())
        try:
            found = list(sample_frames(path, VideoSampling(count=5), VideoLimits(timeout=20)))
        except Refused:
            continue
        assert sum(isinstance(one, Refused) for one in found[:-1]) == 0
        numbers = [one.number for one in found if isinstance(one, VideoFrame)]
        assert numbers == sorted(set(numbers)) and len(numbers) <= 5
