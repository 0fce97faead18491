"""What a layout is: the reading of files and labels out of one way of publishing a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from deepfake_pipeline.tables import Reason, Refused
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
        "",
        description="layout=manifest: path of the manifest in the source, or a pattern such as */metadata.csv, where "
        "other tables lie beside it",
    )


@dataclass(frozen=True)
class GivenFace:
    """A face that the dataset annotates in an image.

    Attributes:
        box: x, y, w, h in px of the image as it is displayed, after its EXIF orientation; w and h are positive.
        label: 1 forged, 0 real, None where the annotation does not say.
        polygons: outlines, each x, y, x, y, … in px; none where the dataset gives none.
    """

    box: tuple[float, float, float, float]
    label: int | None
    polygons: tuple[Sequence[float], ...] = ()


@dataclass(frozen=True)
class MediaEntry:
    """A media file as the layout describes it.

    Attributes:
        path: below the root, with forward slashes.
        label: 1 forged, 0 real, None unknown, or different from face to face.
        method: how the forgery was made, if the layout says so.
        split: the dataset's own split, if it has one.
        memberships: what must not leak (source video, identities); at least one, all of one meaning.
        refused: why the file cannot be used, as far as the layout can tell. With the reason ``unlabelled`` it may
            be used where no label is needed.
        faces: the faces that the dataset annotates, where it does; they carry the labels then.
        mask: path of the picture or video that shows what of this file was forged, if there is one.
    """

    path: str
    label: int | None
    memberships: tuple[str, ...]
    method: str | None = None
    split: Split | None = None
    refused: Refused | None = None
    faces: tuple[GivenFace, ...] = ()
    mask: str | None = None

    @property
    def is_labelled(self) -> bool:
        """True if the file, or a face in it, is known to be real or forged."""
        return self.label is not None or any(face.label is not None for face in self.faces)


def unlabelled(path: str, detail: str) -> MediaEntry:
    """A file of which the layout cannot say whether it is real or forged."""
    return MediaEntry(path=path, label=None, memberships=(path,), refused=Refused(Reason.UNLABELLED, detail))


def refused(path: str, reason: Reason, detail: str) -> MediaEntry:
    """A file, or what should have been one, that cannot be used."""
    return MediaEntry(path=path, label=None, memberships=(path,), refused=Refused(reason, detail))


class Layout(Protocol):
    """One way of publishing a dataset.

    Attributes:
        groups: what the memberships of its files are, in a few words.
        identities: True if identities are among them.
    """

    groups: str
    identities: bool

    def recognise(self, root: Path, files: Sequence[str], params: LayoutParams) -> str | None:
        """What shows that a source is of this layout, in a few words; None if nothing does.

        Args:
            root: the source.
            files: all of its files, as :func:`media.paths.walk_files` lists them.
            params: names of classes and of the manifest.
        """

    def read(self, root: Path, params: LayoutParams) -> Iterable[MediaEntry]:
        """Every media file that the source names, in an order that depends on the source alone.

        Raises:
            UserError: the source is not of this layout.
        """
