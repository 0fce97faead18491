import pytest

from deepfake_pipeline.media.kinds import VIDEO_SUFFIXES, kind_of_file, kind_of_name, looks_like_video
from tests.media.pictures import encoded, smooth
from tests.media.videos import tiny_video


def test_bytes_decide_and_the_name_where_they_say_nothing():
    picture, video = encoded(smooth(1), "PNG")[:16], tiny_video(1)[:16]
    assert kind_of_file("a.mp4", picture) == "image" and kind_of_file("a.jpg", video) == "video"
    assert kind_of_file("a.mp4", b"damaged") == "video" and kind_of_file("a.jpg", b"damaged") == "image"
    assert kind_of_file("notes.txt", b"hello") == "image"  # whose decoder refuses it


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\0\0\0\x18ftypisom", True),
        (b"\0\0\0\x14ftypqt  ", True),
        (b"\0\0\0\x08wide\0\0\0\0", True),
        (b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1f", True),
        (b"RIFF\0\0\0\0AVI LIST", True),
        (b"RIFF\0\0\0\0WEBPVP8 ", False),
        (b"\0\0\0\x1cftypavif", False),
        (b"\0\0\0\x18ftypheic", False),
        (b"", False),
    ],
)
def test_beginnings(head, expected):
    assert looks_like_video(head) is expected


def test_names():
    assert {kind_of_name(f"a/b{suffix.upper()}") for suffix in VIDEO_SUFFIXES} == {"video"}
    assert kind_of_name("a.JPG") == "image" and kind_of_name("metadata.json") is None and kind_of_name("mp4") is None
