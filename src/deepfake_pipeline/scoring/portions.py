"""How the files to score are shared out, and whether worker processes are worth their start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path

from deepfake_pipeline.media.kinds import kind_of_name

FILES_PER_BATCH = 32  # pictures that a worker decodes and then judges together

# Orders of magnitude, in seconds on one core: they decide where work is done, never what comes out of it.
_START = 3.0  # until a worker has loaded its libraries
_CROP, _PICTURE, _VIDEO = 0.004, 0.04, 2.0
_ENHANCED = 0.2


def portions(files: Iterable[Path]) -> Iterator[list[Path]]:
    """Portions of work, taken lazily: what is called a video by itself, other files together."""
    for video, run in groupby(files, key=_is_called_video):
        while part := list(islice(run, 1 if video else FILES_PER_BATCH)):
            yield part


def expected_work(parts: Iterable[list[Path]], *, search: bool, enhance: bool = False) -> tuple[int, float]:
    """Number of portions, and about how many seconds they take one core.

    Args:
        parts: what :func:`portions` gives.
        search: whether faces are looked for in pictures.
        enhance: whether each face is enhanced.
    """
    picture = (_PICTURE if search else _CROP) + (_ENHANCED if enhance else 0.0)
    count, seconds = 0, 0.0
    for part in parts:
        count += 1
        seconds += _VIDEO if _is_called_video(part[0]) else len(part) * picture
    return count, seconds


def worth_workers(seconds: float) -> bool:
    """Whether work of so many seconds is done sooner by workers that have to start first."""
    return seconds > _START


def _is_called_video(path: Path) -> bool:
    return kind_of_name(path.name) == "video"
