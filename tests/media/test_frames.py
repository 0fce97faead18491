import numpy as np
import pytest

from deepfake_pipeline.media.frames import first_look
from deepfake_pipeline.media.images import ImageLimits
from deepfake_pipeline.media.phash import hamming, perceptual_hash
from deepfake_pipeline.media.scan import scan_file
from deepfake_pipeline.tables import Refused
from deepfake_pipeline.tables.ids import sha256_hex
from tests.media import clips
from tests.media.clips import decoded_plainly
from tests.media.pictures import smooth
from tests.media.videos import tiny_video, write_video


def test_the_first_frame(tmp_path):
    path = write_video(tmp_path / "a.mp4", 1)
    frame = first_look(path, ImageLimits()).image
    assert frame.shape == (48, 64, 3) and frame.dtype == np.uint8
    assert np.abs(frame.astype(int) - smooth(0, 48, 64)).mean() < 12
    (_, decoded), *_ = decoded_plainly(path)
    np.testing.assert_array_equal(frame, decoded)


def test_a_rotated_video_stands_upright(tmp_path):
    path = clips.write_video(tmp_path / "turned.mp4", [clips.counted(5)] * 3, rotation=90)
    np.testing.assert_array_equal(first_look(path, ImageLimits()).image, np.rot90(decoded_plainly(path)[0][1]))


def test_a_scan_of_a_video(tmp_path):
    path = write_video(tmp_path / "a.mp4", 2)
    scan = scan_file(path, ImageLimits())
    data = tiny_video(2)
    assert (scan.sha256, scan.bytes) == (sha256_hex(data), len(data))
    assert (scan.width, scan.height, scan.kind) == (64, 48, "video")
    assert hamming(scan.phash, perceptual_hash(smooth(0, 48, 64))) <= 8


@pytest.mark.parametrize(
    ("data", "limits", "reason"),
    [
        (b"", {}, "empty"),
        (b"no video", {}, "unreadable"),
        (tiny_video(1)[:100], {}, "unreadable"),
        (tiny_video(1), {"min_side": 49}, "too_small"),
        (tiny_video(1), {"max_pixels": 3000}, "decompression_bomb"),
        (tiny_video(1), {"max_video_bytes": 50}, "too_large"),
    ],
)
def test_refusals(tmp_path, data, limits, reason):
    (tmp_path / "a.mp4").write_bytes(data)
    with pytest.raises(Refused) as caught:
        scan_file(tmp_path / "a.mp4", ImageLimits(**limits))
    assert caught.value.reason == reason
