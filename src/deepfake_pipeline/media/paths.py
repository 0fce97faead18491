"""Paths of media files: listing a folder, telling litter from data, refusing names that would escape."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from deepfake_pipeline.tables import Reason, Refused
from deepfake_pipeline.tables.errors import UserError

_LITTER = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
_MAX_NAME_BYTES = 255  # of one component, on every common file system


def printable(text: str) -> str:
    """The text on one line and writable as UTF-8: control and undecodable characters are escaped."""
    return "".join(c if _is_plain(c) else c.encode("unicode_escape").decode() for c in text)


def is_encodable(text: str) -> bool:
    """False for a name that is not valid UTF-8 on disk, and hence cannot stand in a table."""
    return not any(unicodedata.category(c) == "Cs" for c in text)


def rejected_row(path: str, refused: Refused) -> dict[str, str]:
    """A row of ``REJECTED_FILES``; a document may name a file by nothing at all."""
    return {"path": printable(path) or "(no name)", "reason": refused.reason.value, "detail": printable(refused.detail)}


def is_litter(parts: Sequence[str]) -> bool:
    """True for what operating systems leave behind: dotfiles, ``__MACOSX``, ``Thumbs.db``, ``desktop.ini``."""
    return any(part.startswith(".") or part.casefold() in _LITTER for part in parts)


def safe_path(name: str) -> str:
    """A relative path with forward slashes that stays below the folder it is joined to.

    Args:
        name: as it stands in an archive or a manifest; backslashes separate folders, ``.`` is dropped.

    Raises:
        Refused: ``unsafe_path`` for an absolute path, a drive letter, ``..``, an empty name, control or
            undecodable characters, and a component of more than 255 bytes.
    """
    text = name.replace("\\", "/")
    if text.startswith("/") or re.match(r"[A-Za-z]:", text):
        raise Refused(Reason.UNSAFE_PATH, "absolute path")
    if not all(_is_plain(c) for c in text):
        raise Refused(Reason.UNSAFE_PATH, "control or undecodable characters in the name")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if not parts:
        raise Refused(Reason.UNSAFE_PATH, "empty name")
    if ".." in parts:
        raise Refused(Reason.UNSAFE_PATH, "'..' leads out of the source")
    if any(len(part.encode()) > _MAX_NAME_BYTES for part in parts):
        raise Refused(Reason.UNSAFE_PATH, f"a name of more than {_MAX_NAME_BYTES} bytes")
    return "/".join(parts)


def walk_files(root: Path) -> Iterator[str]:
    """Paths of all files below a folder, relative to it, with forward slashes, in the same order everywhere.

    Litter is left out. Links to folders are followed (data sets are often linked together), each folder once.

    Raises:
        UserError: a folder cannot be listed.
    """
    seen: set[tuple[int, int]] = set()
    for folder, folders, files in os.walk(root, followlinks=True, onerror=_raise_unlisted):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not is_litter([name]))
        below = Path(folder).relative_to(root)
        yield from ((below / name).as_posix() for name in sorted(files) if not is_litter([name]))


def _is_plain(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cs")


def _raise_unlisted(error: OSError) -> None:
    raise UserError(f"{error.filename}: the folder cannot be listed ({error.strerror})") from error
