"""Images and videos: telling them apart by name and by their first bytes, without decoding."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal

from deepfake_pipeline.media.images import looks_like_image

MediaKind = Literal["image", "video"]

IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".jp2", ".j2k", ".avif")
)
VIDEO_SUFFIXES = frozenset((".mp4", ".m4v", ".avi", ".mov", ".mkv", ".webm"))

_STILLS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")  # pictures in the container of MP4
_VIDEOS: tuple[tuple[int, bytes], ...] = (  # offset and first bytes of the containers that are read, beside ftyp
    *((4, box) for box in (b"moov", b"mdat", b"wide", b"free", b"skip")),  # a MOV without ftyp
    (0, b"\x1a\x45\xdf\xa3"),
    (8, b"AVI "),
    (0, b"\x47\x40"),
    (0, b"\0\0\1\xba"),
    (0, b"FLV\1"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    (0, b"OggS"),
)


def kind_of_name(path: str) -> MediaKind | None:
    """What a file should be by its name; None for names that are of neither kind.

    >>> kind_of_name("videos/071.MP4"), kind_of_name("0001.png"), kind_of_name("metadata.json")
    ('video', 'image', None)
    """
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return "video"
    return "image" if suffix in IMAGE_SUFFIXES else None


def looks_like_video(head: bytes) -> bool:
    """True if a file that begins so (16 bytes are enough) is of a container of videos, or claims to be.

    These are MP4, MOV, AVI, Matroska and WebM, MPEG, FLV, ASF and Ogg.
    """
    if head[4:8] == b"ftyp":
        return head[8:12] not in _STILLS
    return any(head[offset:].startswith(beginning) for offset, beginning in _VIDEOS)


def kind_of_file(path: str, head: bytes) -> MediaKind:
    """What a file is to be read as: its bytes decide, and its name where they are of no known beginning.

    A damaged video is still a video, so that it is refused as one; what is of neither kind is left to the decoder of
    images, which refuses it.
    """
    if looks_like_image(head):
        return "image"
    if looks_like_video(head):
        return "video"
    return kind_of_name(path) or "image"
