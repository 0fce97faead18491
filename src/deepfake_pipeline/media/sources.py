"""Where media come from: a folder that is used where it lies, or an archive, here or on the web."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from deepfake_pipeline.media.archives import ArchiveLimits, require_archive, unpack
from deepfake_pipeline.media.download import download, shown
from deepfake_pipeline.media.paths import walk_files
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.ids import sha256_of


class Media(Protocol):
    """What *acquire* hands on: files that lie somewhere already, or that can be written into a folder."""

    @property
    def folder(self) -> Path | None:
        """Where the files lie, used as they are; None if they have yet to be written."""

    def write_into(self, folder: Path) -> list[dict[str, str]]:
        """Write the files into an existing, empty folder (nothing, where they lie already).

        The caller gives a temporary folder and renames it when this returns.

        Returns:
            Rows of ``REJECTED_FILES``: what could not be written.

        Raises:
            UserError: nothing usable can be written.
        """


@dataclass(frozen=True)
class MediaSource:
    """Media at hand: where the files lie, and rows of ``REJECTED_FILES`` for those that were left behind."""

    root: Path
    rejected: list[dict[str, str]]


@dataclass(frozen=True)
class LocalFolder:
    """A folder, used where it lies, never copied."""

    folder: Path

    def write_into(self, folder: Path) -> list[dict[str, str]]:
        return []


@dataclass(frozen=True)
class LocalArchive:
    """A zip or tar file on this machine; ``checksum`` as :class:`DatasetStudy` has it."""

    path: Path
    checksum: str
    limits: ArchiveLimits

    folder: None = None

    def write_into(self, folder: Path) -> list[dict[str, str]]:
        verify(self.path, self.checksum, str(self.path))
        return _unpack_some(self.path, folder, self.limits, str(self.path))


@dataclass(frozen=True)
class RemoteArchive:
    """A zip or tar file on the web; ``scratch`` keeps what has arrived until it is unpacked."""

    url: str
    checksum: str
    limits: ArchiveLimits
    scratch: Path

    folder: None = None

    def write_into(self, folder: Path) -> list[dict[str, str]]:
        limits = self.limits
        archive = download(self.url, self.scratch, limits.max_total_bytes, limits.private_addresses)
        try:
            verify(archive, self.checksum, shown(self.url))
            require_archive(archive, shown(self.url))
        except UserError:
            archive.unlink()
            raise
        rejected = _unpack_some(archive, folder, self.limits, shown(self.url))
        archive.unlink()
        return rejected


def locate(study: DatasetStudy, scratch: Path, limits: ArchiveLimits) -> LocalFolder | LocalArchive | RemoteArchive:
    """Find what ``study.uri`` points at: nothing is fetched or unpacked yet.

    Args:
        study: its ``uri`` is a folder, an archive (relative to the working directory, ``~`` is the home), a
            ``file://`` or an http(s) address.
        scratch: folder for interrupted downloads, to be kept from run to run.
        limits: of archives.

    Raises:
        UserError: the address is not set, of an unknown kind, or nothing is there.
    """
    if not study.uri:
        raise UserError(
            "study.uri is not set: pass --params study.uri=FOLDER_OR_ARCHIVE or set it in conf/local/parameters.yml"
        )
    scheme = study.uri.partition("://")[0].lower() if "://" in study.uri else "file"
    if scheme in ("http", "https"):
        return RemoteArchive(study.uri, study.checksum, limits, scratch)
    if scheme != "file":
        raise UserError(f"study.uri: {scheme}:// is not read; use a folder, an archive or an http(s) address")
    path = Path(unquote(urlsplit(study.uri).path)) if "://" in study.uri else Path(study.uri)
    path = path.expanduser().absolute()
    if not path.exists():
        raise UserError(f"study.uri: {path} does not exist; point it to a folder or an archive")
    if path.is_dir():
        return _folder(path, study.checksum)
    if not path.is_file():
        raise UserError(f"study.uri: {path} is neither a folder nor a file")
    require_archive(path, str(path))
    return LocalArchive(path, study.checksum, limits)


def verify(archive: Path, checksum: str, name: str) -> None:
    """Compare a file with ``sha256:<hex>``; an empty checksum says nothing.

    Raises:
        UserError: they differ.
    """
    if not checksum:
        return
    if (found := f"sha256:{sha256_of(archive)}") != checksum:
        raise UserError(f"{name}: its checksum is {found}, study.checksum says {checksum}; fetch the right file")


def _folder(path: Path, checksum: str) -> LocalFolder:
    if checksum:
        raise UserError(f"study.checksum is of an archive, but study.uri is the folder {path}; leave it empty")
    if next(walk_files(path), None) is None:
        raise UserError(f"study.uri: the folder {path} holds no file")
    return LocalFolder(path)


def _unpack_some(archive: Path, folder: Path, limits: ArchiveLimits, name: str) -> list[dict[str, str]]:
    rejected = unpack(archive, folder, limits, name)
    if next(walk_files(folder), None) is None:
        first = f", first {rejected[0]['path']}: {rejected[0]['reason']}" if rejected else ""
        raise UserError(f"{name}: no file could be unpacked ({len(rejected)} refused{first})")
    return rejected
