"""Layout ``auto``: recognises which of the others a source is of, and says why."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from deepfake_pipeline.media.layouts.base import Layout, LayoutParams
from deepfake_pipeline.media.paths import walk_files
from deepfake_pipeline.tables.errors import UserError

_GENERAL = "folders"  # published layouts are folders of classes too: it counts where none of them fits


class Recognised(NamedTuple):
    """Name of a layout, and what showed that a source is of it."""

    layout: str
    why: str


def recognise(root: Path, layouts: Mapping[str, Layout], params: LayoutParams) -> Recognised:
    """Find out of which layout a source is.

    Every layout looks for what only it has. ``folders`` counts only where no published layout fits; it competes with
    ``manifest``, since a table beside class folders may tell another truth than they do.

    Args:
        root: the source.
        layouts: those to choose from, by name.
        params: names of classes and of the manifest.

    Raises:
        UserError: none fits, or more than one; the line names them.
    """
    files = list(walk_files(root))
    found = [Recognised(name, why) for name, one in layouts.items() if (why := one.recognise(root, files, params))]
    if any(fit.layout not in (_GENERAL, "manifest") for fit in found):
        found = [fit for fit in found if fit.layout != _GENERAL]
    if not found:
        raise UserError(
            f"{root}: no known layout ({', '.join(layouts)}) is recognised in its {len(files):,} files; lay the media "
            "in folders Real and Fake, or write a manifest with the columns file and label"
        )
    if len(found) > 1:
        fits = " and ".join(f"{name} ({why})" for name, why in found)
        raise UserError(f"{root}: more than one layout fits, {fits}; set study.layout to the right one")
    return found[0]
