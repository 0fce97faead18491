"""Looking into media files: hash, size and perceptual hash of each, in parallel."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from deepfake_pipeline.engine import map_batches
from deepfake_pipeline.media.alike import Thumbnail, thumbnail
from deepfake_pipeline.media.frames import first_look
from deepfake_pipeline.media.images import HEAD_BYTES, ImageLimits, RGBImage, decode_image, looks_like_image
from deepfake_pipeline.media.kinds import MediaKind, kind_of_file
from deepfake_pipeline.media.phash import perceptual_hash
from deepfake_pipeline.tables import Reason, Refused
from deepfake_pipeline.tables.ids import sha256_hex

BATCH_FILES = 64


@dataclass(frozen=True, slots=True)
class Scan:
    """What a look into a media file gives: digest, size in px and bytes, perceptual hash and thumbnail (of a video: of
    its first frame), and whether it is an image or a video."""

    sha256: str
    width: int
    height: int
    bytes: int
    phash: int
    thumbnail: Thumbnail = field(repr=False)  # see :func:`media.alike.thumbnail`
    kind: MediaKind = "image"
    audio: str | None = None  # codec of the sound of a video


def scan_files(root: Path, paths: Sequence[str], limits: ImageLimits, workers: int) -> Iterator[Scan | Refused]:
    """Scan files below a root; the results are in the order of the paths, whatever the number of workers."""
    batches = list(_batched(paths, BATCH_FILES))
    scanned = map_batches(
        batches,
        partial(_Scanner, root, limits),
        workers=min(workers, len(batches)),
        description="reading files",
        total=len(batches),
    )
    for batch in scanned:
        yield from batch


def scan_file(path: Path, limits: ImageLimits) -> Scan:
    """Read, hash and decode one file; of a video, its first frame.

    Raises:
        Refused: ``missing``, ``unreadable``, and what :func:`decode_image` or :func:`first_look` raise.
    """
    if kind_of_file(path.name, _head(path)) == "video":
        return scan_video(path, limits)
    data = read_bytes(path, limits)
    return _scan(sha256_hex(data), len(data), decode_image(data, limits), "image")


def scan_video(path: Path, limits: ImageLimits) -> Scan:
    """Hash a video, in constant memory, and decode its first frame.

    Raises:
        Refused: ``missing``, ``too_large``, ``empty``, ``unsupported_type`` (no file), ``unreadable``,
            ``decompression_bomb``, ``too_small``.
    """
    size = _size(path)
    if not size:
        raise Refused(Reason.EMPTY, "0 bytes")
    if size > limits.max_video_bytes:
        raise Refused(Reason.TOO_LARGE, f"{size:,} bytes, the limit is {limits.max_video_bytes:,}")
    look = first_look(path, limits)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Refused(Reason.UNREADABLE, str(error)) from error
    return _scan(digest, size, look.image, "video", look.audio)


def _scan(digest: str, size: int, rgb: RGBImage, kind: MediaKind, audio: str | None = None) -> Scan:
    return Scan(digest, rgb.shape[1], rgb.shape[0], size, perceptual_hash(rgb), thumbnail(rgb), kind, audio)


def _head(path: Path) -> bytes:
    """First bytes of a file; none of what is no regular file or cannot be read: reading it says why."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return b""
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except (OSError, ValueError):
        return b""


def read_bytes(path: Path, limits: ImageLimits) -> bytes:
    """Bytes of an image file; of a file that is too large only the beginning is read.

    Raises:
        Refused: ``missing``, ``unreadable``, ``too_large``, ``unsupported_type``.
    """
    size = _size(path)
    try:
        with path.open("rb") as file:
            if size <= limits.max_bytes:
                return file.read()
            if not looks_like_image(file.read(HEAD_BYTES)):
                raise Refused(Reason.UNSUPPORTED_TYPE, "not an image of a known format")
    except (OSError, ValueError) as error:
        raise Refused(Reason.UNREADABLE, str(error)) from error
    raise Refused(Reason.TOO_LARGE, f"{size:,} bytes, the limit is {limits.max_bytes:,}")


def _size(path: Path) -> int:
    """Bytes of a file.

    Raises:
        Refused: ``missing``, ``unreadable``, and ``unsupported_type`` for what is no regular file, such as a pipe.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Refused(Reason.MISSING, "not in the source") from error
    except (OSError, ValueError) as error:
        raise Refused(Reason.UNREADABLE, str(error)) from error
    if not stat.S_ISREG(status.st_mode):
        raise Refused(Reason.UNSUPPORTED_TYPE, "not a regular file")
    return status.st_size


class _Scanner:
    """Scans batches of paths; refusals are results here, so that they travel between processes."""

    def __init__(self, root: Path, limits: ImageLimits) -> None:
        self._root, self._limits = root, limits

    def __call__(self, paths: Sequence[str]) -> list[Scan | Refused]:
        return [self._scan(path) for path in paths]

    def _scan(self, path: str) -> Scan | Refused:
        try:
            return scan_file(self._root / path, self._limits)
        except Refused as refused:
            return Refused(refused.reason, refused.detail)  # without the traceback and what hangs on it


def _batched(items: Iterable[str], size: int) -> Iterator[list[str]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
