"""Identifiers and seeds that depend on content alone, never on order, clock or machine."""

from __future__ import annotations

import hashlib
from pathlib import Path

SAMPLE_ID_LENGTH = 16


def sha256_hex(data: bytes) -> str:
    """SHA-256 of ``data``, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, or of the names and hashes of all files below a folder, 64 hex digits."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        lines = (f"{sha256_of(file)}  {file.relative_to(path).as_posix()}\n" for file in files)
        return sha256_hex("".join(lines).encode())
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sample_id(sha256: str) -> str:
    """Id of a media file: the first 16 hex digits of its SHA-256.

    >>> sample_id("0123456789abcdef0000")
    '0123456789abcdef'
    """
    return sha256[:SAMPLE_ID_LENGTH]


def face_id(sample: str, frame: int, face: int) -> str:
    """Id of a face: sample, frame number in the file, number of the face in the frame.

    >>> face_id("0123456789abcdef", 3, 1)
    '0123456789abcdef-000003-01'
    """
    return f"{sample}-{frame:06d}-{face:02d}"


def stable_seed(*parts: object) -> int:
    """A 63-bit seed from any parts that print the same everywhere (strings, integers).

    >>> stable_seed("face", "jpeg", 3, 0) == stable_seed("face", "jpeg", 3, 0)
    True
    """
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1


def unit_hash(*parts: object) -> float:
    """A number in [0, 1) from any parts: uniform over different parts, equal for equal ones."""
    return stable_seed(*parts) / 2**63
