"""Why a file or a face was refused: the fixed list, and the exception that carries a reason."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Every reason that the rejected tables may hold."""

    UNREADABLE = "unreadable"
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"
    UNSUPPORTED_TYPE = "unsupported_type"
    DECOMPRESSION_BOMB = "decompression_bomb"
    EMPTY = "empty"
    MISSING = "missing"
    UNSAFE_PATH = "unsafe_path"
    NO_FACE = "no_face"
    DUPLICATE = "duplicate"
    LABEL_CONFLICT = "label_conflict"
    UNLABELLED = "unlabelled"
    CROSS_SPLIT = "cross_split"
    TIMEOUT = "timeout"
    BLURRED = "blurred"
    DARK = "dark"
    UNEVEN_LIGHT = "uneven_light"
    TURNED = "turned"


class Refused(Exception):
    """One file or face cannot be used. It becomes a row in a rejected table, never a crash.

    Args:
        reason: one of the fixed list.
        detail: what was seen, in one line, for the person who has to mend the file.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.detail}" if self.detail else self.reason.value
