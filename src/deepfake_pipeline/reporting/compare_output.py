"""A comparison of two runs on a terminal, or as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator

from deepfake_pipeline.reporting.compare import Comparison
from deepfake_pipeline.reporting.gaps import Detail

DETAILS = 8  # lines shown of one dataset
PER_FOLDER = 20  # datasets shown of one folder
_RIGHT = 40  # columns beside the path


def lines(comparisons: Iterable[Comparison], tolerance: float, columns: int) -> Iterator[str]:
    """The table: a line for each dataset that is not the same, its largest differences below it, a summary.

    Args:
        comparisons: printed as they come.
        tolerance: what they were compared with.
        columns: of the terminal.
    """
    width = max(24, min(columns - _RIGHT, 80))
    counts: Counter[str] = Counter()
    folders: Counter[str] = Counter()
    heading = f"{'dataset':<{width}}  {'':<7}  {'absolute':>8}  {'relative':>8}  {'values':>9}"
    for comparison in comparisons:
        counts[comparison.status] += 1
        if comparison.status == "same":
            continue
        folder = comparison.path.rpartition("/")[0]
        folders[folder] += 1
        if folders[folder] > PER_FOLDER:
            continue
        if heading:
            yield heading
            heading = ""
        yield _line(comparison.path, comparison.status, comparison.details, width)
        if comparison.status == "differs" and not _says_no_more(comparison.details):
            yield from _detail_lines(comparison.details, width)
    for folder, count in sorted(folders.items()):
        if count > PER_FOLDER:
            yield f"… and {count - PER_FOLDER:,} more in {folder}"
    yield summary(counts, tolerance)


def as_json(comparison: Comparison) -> str:
    """A dataset as one line of JSON; differences that are no numbers have a note."""
    details = [
        {
            "where": detail.where,
            "differing": detail.gap.differing,
            "beyond_tolerance": detail.gap.beyond,
            "largest_absolute": detail.gap.absolute,
            "largest_relative": detail.gap.relative,
        }
        if detail.note is None
        else {"where": detail.where, "note": detail.note}
        for detail in comparison.details
    ]
    return json.dumps({"path": comparison.path, "status": comparison.status, "details": details}, ensure_ascii=False)


def summary(counts: Counter[str], tolerance: float) -> str:
    """How many datasets there are of each status, in one line."""
    said = {
        "same": "the same byte for byte",
        "close": f"equal within {tolerance:g}",
        "differs": "different",
        "only A": "only in A",
        "only B": "only in B",
        "damaged": "damaged",
    }
    return ", ".join(f"{counts[status]:,} {text}" for status, text in said.items() if counts[status]) or "no dataset"


def _line(path: str, status: str, details: Iterable[Detail], width: int) -> str:
    details = list(details)
    shown = path if len(path) <= width else "…" + path[-(width - 1) :]
    start = f"{shown:<{width}}  {status:<7}"
    if status in ("damaged", "only A", "only B"):
        return "  ".join([start, *(detail.note or "" for detail in details)]).rstrip()
    return f"{start}{_figures(details)}".rstrip()


def _detail_lines(details: tuple[Detail, ...], width: int) -> Iterator[str]:
    ordered = sorted(details, key=lambda detail: (detail.note is None, -detail.gap.absolute))
    for detail in ordered[:DETAILS]:
        where = f"  {detail.where or 'file'}"
        where = where if len(where) <= width else "  …" + where[-(width - 3) :]
        yield f"{where:<{width}}  " + (f"{detail.note}" if detail.note else f"{'':<7}{_figures([detail])}")
    if len(details) > DETAILS:
        yield f"  … and {len(details) - DETAILS:,} more"


def _figures(details: list[Detail]) -> str:
    """Largest differences, and how many values differ; nothing where no values were compared."""
    values = sum(detail.gap.differing for detail in details)
    if not values:
        return ""
    absolute = max(detail.gap.absolute for detail in details)
    relative = max(detail.gap.relative for detail in details)
    shown = [f"{figure:.2g}" if figure else "" for figure in (absolute, relative)]
    return f"  {shown[0]:>8}  {shown[1]:>8}  {values:>9,}"


def _says_no_more(details: tuple[Detail, ...]) -> bool:
    """Whether the line of the dataset already says everything."""
    return len(details) == 1 and not details[0].where and details[0].note is None
