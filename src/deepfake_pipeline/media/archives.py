"""Unpacking zip and tar archives that nobody vouches for."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import shutil
import stat
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, Field

from deepfake_pipeline.engine import progress
from deepfake_pipeline.media.paths import is_litter, rejected_row, safe_path
from deepfake_pipeline.tables import Reason, Refused
from deepfake_pipeline.tables.errors import UserError

_CHUNK = 1 << 20
_FREE_BYTES = 1 << 20  # too little to be a bomb, whatever the ratio
_HEADER_BYTES = 16 << 20  # of one tar member: long names and extended headers
_TAR_RECORD_BYTES = 10_240  # a tar file is filled up with zeros to a multiple of it
_ZIP_END_BYTES = 22  # of the record that ends a zip file, before its comment
_PARTIAL = ".partial"  # no member has this name: dotfiles are not unpacked
_NAME_ERRORS = (errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.EILSEQ)


class ArchiveLimits(BaseModel):
    """What an archive may hold, and where it may come from. Its size is judged by the bytes that come out, not by what
    headers claim."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_members: int = Field(5_000_000, ge=1, description="members of an archive at most")
    max_total_bytes: int = Field(2 * 2**40, ge=1, description="bytes of an archive, packed or unpacked, at most")
    max_file_bytes: int = Field(
        16 * 2**30, ge=1, description="bytes of one unpacked file at most; larger ones are too_large"
    )
    private_addresses: bool = Field(
        False,
        description="fetch from addresses of this machine and of its own network too, which http(s) addresses may lead "
        "to by themselves or by a redirect; by default they are refused",
    )
    max_ratio: float = Field(
        200.0,
        ge=1,
        description="unpacked over packed bytes at most, of a member and of the archive; above: decompression_bomb",
    )


@dataclass(frozen=True)
class _Member:
    """One file of an archive; ``packed`` bytes at most went into it."""

    name: str
    open: Callable[[], IO[bytes]]
    packed: int
    refused: Refused | None = None


def unpack(archive: Path, into: Path, limits: ArchiveLimits, name: str = "") -> list[dict[str, str]]:
    """Unpack a zip or tar (plain, gz, bz2, xz) archive into an existing, empty folder.

    Nothing is ever written outside ``into``, and a file there is whole: it gets its name when its last byte is
    written. Litter of operating systems is left out. Of two members of one name the first is kept.

    Args:
        archive: the file.
        into: an existing, empty folder.
        limits: what it may hold.
        name: what messages call the archive; by default its path.

    Returns:
        Rows of ``REJECTED_FILES``, by path, for members that were left out: ``unsafe_path`` (see
        :func:`safe_path`; links and devices; names that differ in case only and would overwrite one another on
        some systems), ``duplicate``, ``too_large``, ``decompression_bomb``, ``unreadable`` (damaged, encrypted). An
        archive that cannot be read to its end is one more row.

    Raises:
        UserError: not such an archive, too many members or bytes, or the disk cannot hold them.
    """
    name = name or str(archive)
    require_archive(archive, name)
    try:
        return _unpack(archive, _Shelf(into, limits, archive.stat().st_size), name)
    finally:
        (into / _PARTIAL).unlink(missing_ok=True)


def require_archive(path: Path, name: str) -> None:
    """Stop unless a file begins as a zip or tar archive; ``name`` is what the message calls it.

    Raises:
        UserError: it does not, or cannot be read.
    """
    try:
        known = _is_zip(path) or _is_tar(path)
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror})") from error
    if not known:
        raise UserError(
            f"{name}: neither a zip nor a tar archive (plain, gz, bz2, xz); unpack it and point study.uri to the folder"
        )


def _unpack(archive: Path, shelf: _Shelf, name: str) -> list[dict[str, str]]:
    rows = []
    members = _zip_members if _is_zip(archive) else _tar_members
    try:
        for number, member in enumerate(progress(members(archive, shelf), "unpacking")):
            if number == shelf.limits.max_members:
                raise UserError(f"{name}: more than {number:,} members; raise archive.max_members")
            try:
                shelf.put(member)
            except Refused as refused:
                rows.append(rejected_row(member.name.replace("\\", "/"), refused))
    except Refused as refused:
        detail = f"{refused.detail}; what follows in the archive is lost"
        rows.append(rejected_row(name.rpartition("/")[2], Refused(refused.reason, detail)))
    return sorted(rows, key=lambda row: (row["path"], row["reason"], row["detail"]))


@dataclass
class _Shelf:
    """The folder that is filled, and what was put there so far."""

    folder: Path
    limits: ArchiveLimits
    packed: int  # bytes of the archive
    written: int = 0
    names: dict[str, str] = field(default_factory=dict)

    def reserve(self, claimed: int) -> None:
        """Stop before any work if the disk cannot hold what headers claim, as far as the claim can be true."""
        needed = min(claimed, int(self.limits.max_ratio * self.packed))
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise UserError(f"{self.folder}: {free:,} bytes are free and {needed:,} are needed; make room")

    def put(self, member: _Member) -> None:
        """Write one member. Raises Refused, with nothing written, or UserError."""
        if member.name.endswith(("/", "\\")):
            return  # a folder: made when a file in it is
        name = safe_path(member.name)
        if is_litter(name.split("/")):
            return
        if member.refused:
            raise member.refused
        self._claim(name)
        unfinished = self.folder / _PARTIAL
        try:
            with closing(_reading(member.open)) as source, unfinished.open("wb") as target:
                written = self._copy(source, target, member.packed)
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            unfinished.replace(self.folder / name)
        except OSError as error:
            if error.errno in _NAME_ERRORS:
                raise Refused(Reason.UNSAFE_PATH, f"cannot be a file name here ({error.strerror})") from error
            raise UserError(f"{self.folder}: cannot write there ({error.strerror})") from error
        self.written += written

    def _claim(self, name: str) -> None:
        key = unicodedata.normalize("NFC", name).casefold()
        if key not in self.names:
            self.names[key] = name
        elif self.names[key] == name:
            raise Refused(Reason.DUPLICATE, "a second member of this name")
        else:
            raise Refused(Reason.UNSAFE_PATH, f"overwrites {self.names[key]} where case does not matter")

    def _copy(self, source: IO[bytes], target: IO[bytes], packed: int) -> int:
        limits, written = self.limits, 0
        most = max(_FREE_BYTES, limits.max_ratio * min(packed, self.packed))
        most_in_all = max(_FREE_BYTES, limits.max_ratio * self.packed)
        while chunk := _reading(lambda: source.read(_CHUNK)):
            written += len(chunk)
            if written > most or self.written + written > most_in_all:
                raise Refused(Reason.DECOMPRESSION_BOMB, f"unpacks to more than {limits.max_ratio:g} times its size")
            if written > limits.max_file_bytes:
                raise Refused(Reason.TOO_LARGE, f"more than {limits.max_file_bytes:,} bytes")
            if self.written + written > limits.max_total_bytes:
                raise UserError(
                    f"the archive unpacks to more than {limits.max_total_bytes:,} bytes; raise archive.max_total_bytes"
                )
            target.write(chunk)
        return written


def _reading(read: Callable[[], Any]) -> Any:
    """Call a decoder: whatever it raises on damaged data becomes a refusal."""
    try:
        return read()
    except (Refused, UserError):
        raise
    except Exception as error:  # zlib.error, lzma.LZMAError, BadZipFile, EOFError, struct.error, RuntimeError …
        raise Refused(Reason.UNREADABLE, f"damaged ({str(error) or type(error).__name__})") from error


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def _zip_members(archive: Path, shelf: _Shelf) -> Iterator[_Member]:
    with closing(_reading(lambda: zipfile.ZipFile(archive))) as packed:
        infos = packed.infolist()
        shelf.reserve(sum(i.file_size for i in infos if i.file_size <= shelf.limits.max_file_bytes))
        for info in infos:
            yield _Member(info.orig_filename, partial(packed.open, info), info.compress_size, _zip_refusal(info))
        claimed = _zip_count(archive)
        if claimed is not None and claimed != len(infos) & 0xFFFF:
            raise Refused(Reason.UNREADABLE, f"damaged (its directory lists {len(infos):,} members of {claimed:,})")


def _zip_count(archive: Path) -> int | None:
    """How many members the end of a zip file claims, modulo 65,536; None where it leaves that to another record."""
    with archive.open("rb") as file:
        file.seek(max(0, archive.stat().st_size - _ZIP_END_BYTES - 0xFFFF))
        tail = file.read()
    end = tail[tail.rfind(b"PK\x05\x06") :]
    count = int.from_bytes(end[10:12], "little")
    return None if len(end) < _ZIP_END_BYTES or count == 0xFFFF else count


def _zip_refusal(info: zipfile.ZipInfo) -> Refused | None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        return Refused(Reason.UNSAFE_PATH, "a link or a device, not a file")
    if info.flag_bits & 0x1:
        return Refused(Reason.UNREADABLE, "encrypted")
    return None


_DECOMPRESSORS: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}


def _decompressed(raw: IO[bytes]) -> Any:
    head = raw.read(8)
    raw.seek(0)
    return next((opened(raw) for magic, opened in _DECOMPRESSORS.items() if head.startswith(magic)), raw)


def _is_tar(path: Path) -> bool:
    with path.open("rb") as raw:
        try:
            tarfile.TarInfo.frombuf(_decompressed(raw).read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
        except Exception:  # not compressed as its first bytes say, or no tar header in it
            return False
    return True


class _Meter(io.RawIOBase):
    """The decompressed tar stream. Refuses to go on where the stream proves to be a bomb.

    ``allow`` bounds what is read next, so that no header can claim the memory of the machine.
    """

    def __init__(self, stream: IO[bytes], most: float) -> None:
        self._stream, self._most = stream, most
        self._position, self._fence = 0, 0

    def readable(self) -> bool:
        return True

    def allow(self, size: int) -> None:
        self._fence = self._position + size

    def read(self, size: int = -1) -> bytes:
        data: bytes = _reading(lambda: self._stream.read(size))
        self._position += len(data)
        if self._position > self._most:
            raise Refused(Reason.DECOMPRESSION_BOMB, "unpacks to too many times its size")
        if self._position > self._fence:
            raise Refused(Reason.UNREADABLE, f"a tar header of more than {_HEADER_BYTES:,} bytes")
        return data


class _StrictTarInfo(tarfile.TarInfo):
    """A header that is damaged or missing ends the archive with an error, where tarfile would end it in silence."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> _StrictTarInfo:
        try:
            return super().fromtarfile(tar)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(f"tar header: {error}") from error
        except tarfile.EmptyHeaderError as error:  # type: ignore[attr-defined]
            if not tar.offset:
                raise
            raise tarfile.ReadError("it breaks off without the mark of its end") from error


def _tar_members(archive: Path, shelf: _Shelf) -> Iterator[_Member]:
    with archive.open("rb") as raw:
        meter = _Meter(_decompressed(raw), max(_HEADER_BYTES, shelf.limits.max_ratio * shelf.packed))
        meter.allow(_HEADER_BYTES)
        tar = _reading(partial(tarfile.open, fileobj=meter, mode="r|", tarinfo=_StrictTarInfo))
        while member := _reading(tar.next):
            tar.members = []  # else tarfile keeps every header
            meter.allow(member.size + _HEADER_BYTES)
            if not member.isdir():
                refused = _tar_refusal(member)
                yield _Member(member.name, partial(tar.extractfile, member), shelf.packed, refused)
            meter.allow(member.size + _HEADER_BYTES)
        zeros = 0
        while rest := _rest(tar, meter):
            if rest.strip(b"\0"):
                raise Refused(Reason.UNREADABLE, "damaged (more stands behind the mark of its end)")
            zeros += len(rest)
        if zeros > _TAR_RECORD_BYTES:  # as a download leaves that reserved its space and was cut
            raise Refused(Reason.UNREADABLE, f"damaged ({zeros:,} zeros at its end, where members may have been)")


def _rest(tar: tarfile.TarFile, meter: _Meter) -> bytes:
    """What follows the last member, piece by piece: zeros. To read it checks the sums of the compressed stream too."""
    meter.allow(_HEADER_BYTES)
    rest: bytes = _reading(lambda: tar.fileobj.read(_CHUNK))
    return rest


def _tar_refusal(member: tarfile.TarInfo) -> Refused | None:
    if not member.isreg():
        return Refused(Reason.UNSAFE_PATH, "a link or a device, not a file")
    if member.issparse():
        return Refused(Reason.UNREADABLE, "a sparse file")
    return None
