import os
import sys

import numpy as np
import pytest

from deepfake_pipeline.media.alike import thumbnail
from deepfake_pipeline.media.images import ImageLimits
from deepfake_pipeline.media.phash import perceptual_hash
from deepfake_pipeline.media.scan import BATCH_FILES, Scan, read_bytes, scan_file, scan_files
from deepfake_pipeline.tables import Reason, Refused
from deepfake_pipeline.tables.ids import sha256_hex
from tests.media import clips
from tests.media.pictures import encoded, smooth, write_picture


def refusal(path, **limits) -> Refused:
    with pytest.raises(Refused) as caught:
        scan_file(path, ImageLimits(**limits))
    return caught.value


def test_what_a_look_gives(tmp_path):
    path = write_picture(tmp_path / "a.png", 1)
    data = path.read_bytes()
    assert scan_file(path, ImageLimits()) == Scan(
        sha256_hex(data), 40, 48, len(data), perceptual_hash(smooth(1)), thumbnail(smooth(1))
    )


def test_the_size_is_of_the_upright_picture(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(smooth(1), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"))
    scan = scan_file(path, ImageLimits())
    assert (scan.width, scan.height) == (48, 40)


def test_refusals(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no picture")
    assert refusal(tmp_path / "none.jpg").reason is Reason.MISSING
    assert refusal(tmp_path / "empty.jpg").reason is Reason.EMPTY
    assert refusal(tmp_path / "text.jpg").reason is Reason.UNSUPPORTED_TYPE
    assert refusal(tmp_path / "empty.jpg" / "x.jpg").reason is Reason.MISSING
    assert refusal(tmp_path).reason is Reason.UNSUPPORTED_TYPE
    assert refusal(tmp_path / "a\0b").reason is Reason.UNREADABLE


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders there")
def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert refusal(tmp_path / "pipe.jpg").reason is Reason.UNSUPPORTED_TYPE


def test_a_large_file_is_named_by_its_beginning(tmp_path):
    for name, head in (("film.mp4", b"\0\0\0\x18ftypmp42"), ("photo.jpg", b"\xff\xd8\xff\xe0")):
        with (tmp_path / name).open("wb") as file:
            file.write(head)
            file.truncate(2**40)  # a hole: it takes no room, but could not be read either
    assert refusal(tmp_path / "film.mp4").detail == "1,099,511,627,776 bytes, the limit is 17,179,869,184"
    assert refusal(tmp_path / "photo.jpg").detail == "1,099,511,627,776 bytes, the limit is 67,108,864"


def test_read_bytes(tmp_path):
    path = write_picture(tmp_path / "a.png", 1)
    assert read_bytes(path, ImageLimits()) == path.read_bytes()


def test_the_order_is_of_the_paths_whatever_the_workers(tmp_path):
    paths = []
    for seed in range(BATCH_FILES + 9):
        paths.append(f"{seed}.png")
        if seed % 10:
            write_picture(tmp_path / paths[-1], seed)
    alone = list(scan_files(tmp_path, paths, ImageLimits(), workers=1))
    together = list(scan_files(tmp_path, paths, ImageLimits(), workers=2))
    assert [str(scan) for scan in alone] == [str(scan) for scan in together]
    missing = np.array([isinstance(scan, Refused) for scan in alone])
    assert np.flatnonzero(missing).tolist() == list(range(0, BATCH_FILES + 9, 10))


def test_no_files(tmp_path):
    assert list(scan_files(tmp_path, [], ImageLimits(), workers=2)) == []


def test_sound_is_left_aside_and_recorded(tmp_path):
    frames = [clips.counted(number) for number in range(3)]
    spoken = clips.write_video(tmp_path / "spoken.mp4", frames, sound=True)
    assert scan_file(spoken, ImageLimits()).audio == "aac"
    assert scan_file(clips.write_video(tmp_path / "silent.mp4", frames), ImageLimits()).audio is None
    assert scan_file(write_picture(tmp_path / "picture.png", 0), ImageLimits()).audio is None
