"""How far numbers are apart, and what a difference is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake_pipeline.tables.errors import UserError


class Damaged(UserError):
    """A file that cannot be read as what its name says; the message is one line naming it."""


@dataclass(frozen=True)
class Gap:
    """How far two arrays of one shape are apart.

    Attributes:
        differing: how many values are not equal (NaN equals NaN).
        beyond: how many of them differ by more than the tolerance; see :func:`gap`.
        absolute: largest difference of finite values.
        relative: largest difference over the larger of the two magnitudes, in [0, 2].
    """

    differing: int = 0
    beyond: int = 0
    absolute: float = 0.0
    relative: float = 0.0

    def __add__(self, other: Gap) -> Gap:
        return Gap(
            self.differing + other.differing,
            self.beyond + other.beyond,
            max(self.absolute, other.absolute),
            max(self.relative, other.relative),
        )


@dataclass(frozen=True)
class Detail:
    """One thing in which two datasets differ.

    Attributes:
        where: column, tensor or path in a document; empty for the whole of it.
        gap: how far the values are apart, where they can be compared one by one.
        note: what differs otherwise, such as a shape; never within a tolerance.
    """

    where: str
    gap: Gap = Gap()
    note: str | None = None

    @property
    def within(self) -> bool:
        """Whether the tolerance covers it."""
        return self.note is None and self.gap.beyond == 0


def gap(a: NDArray[Any], b: NDArray[Any], tolerance: float) -> Gap:
    """How far two arrays of one shape are apart.

    Real numbers may differ by ``tolerance · max(1, |a|, |b|)``: absolutely where they are small, relatively where
    they are large. Whole numbers, text and everything else must be equal, and so must NaN and infinities.
    """
    real = a.dtype.kind == "f" or b.dtype.kind == "f"
    if not {a.dtype.kind, b.dtype.kind} <= set("iuf"):
        unequal = int(np.count_nonzero(a != b))
        return Gap(unequal, unequal)
    differs = a != b
    if real:
        differs &= ~(np.isnan(a) & np.isnan(b))
    if not differs.any():
        return Gap()
    first, second = a[differs].astype(np.float64), b[differs].astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(first - second)
        size = np.maximum(np.abs(first), np.abs(second))
        finite = np.isfinite(distance)
        within = finite & (distance <= tolerance * np.maximum(1.0, size)) & real
    ratio = distance[finite] / np.maximum(size[finite], np.finfo(np.float64).tiny)
    return Gap(
        len(first),
        int(np.count_nonzero(~within)),
        float(distance[finite].max(initial=0.0)),
        float(ratio.max(initial=0.0)),
    )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a damaged file makes a decoder raise into one line.

    Raises:
        Damaged: naming the file and what is wrong with it.
    """
    try:
        yield
    except Exception as error:  # decoders raise anything, from struct.error to RecursionError
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise Damaged(f"{path} cannot be read: {reason}") from error
