"""What a layout is: the reading of files and labels out of one way of publishing a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from deepfake_pipeline.tables import Refused
from deepfake_pipeline.tables.splits import Split

FORGED, REAL = 1, 0


class LayoutParams(BaseModel):
    """What can be told to a layout."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    class_map: Mapping[str, Literal["real", "fake", "neither"]] = Field(
        {},
        description="further names of classes, before the known ones; case, spaces, - and _ do not matter",
    )
    manifest: str = Field(
        "", description="layout=manifest: path of the manifest in the source, where it holds several tables"
    )


@dataclass(frozen=True)
class MediaEntry:
    """A media file as the layout describes it.

    Attributes:
        path: below the root, with forward slashes.
        label: 1 forged, 0 real, None unknown.
        method: how the forgery was made, if the layout says so.
        split: the dataset's own split, if it has one.
        memberships: what must not leak (source video, identities); at least one, all of one meaning.
        refused: why the file cannot be used, as far as the layout can tell. With the reason ``unlabelled`` it may
            be used where no label is needed.
    """

    path: str
    label: int | None
    memberships: tuple[str, ...]
    method: str | None = None
    split: Split | None = None
    refused: Refused | None = None


class Layout(Protocol):
    """One way of publishing a dataset."""

    def read(self, root: Path, params: LayoutParams) -> Iterable[MediaEntry]:
        """Every media file that the source names, in an order that depends on the source alone.

        Raises:
            UserError: the source is not of this layout.
        """
