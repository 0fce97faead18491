"""JSON documents that datasets publish beside their media."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deepfake_pipeline.tables import Reason, Refused

Shrink = Callable[[dict[str, Any]], dict[str, Any]]


def read_json(path: Path, shrink: Shrink | None = None) -> Any:
    """Content of a JSON file.

    Args:
        path: the file, in UTF-8.
        shrink: applied to each object as soon as it is parsed, so that a large document need never be held whole.

    Raises:
        Refused: ``unreadable``.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), object_hook=shrink)
    except (OSError, ValueError, RecursionError) as error:
        raise Refused(Reason.UNREADABLE, f"no JSON document ({' '.join(str(error).split())})") from error
