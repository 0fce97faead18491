"""Layout ``dfdc``: the Deepfake Detection Challenge (Dolhansky et al. 2020, arXiv 2006.07397)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from deepfake_pipeline.media.kinds import kind_of_name
from deepfake_pipeline.media.layouts.base import LayoutParams, MediaEntry, refused, unlabelled
from deepfake_pipeline.media.layouts.documents import read_json
from deepfake_pipeline.media.layouts.names import ClassNames, split_of
from deepfake_pipeline.media.paths import safe_path, walk_files
from deepfake_pipeline.tables import Reason, Refused
from deepfake_pipeline.tables.errors import UserError

METADATA = "metadata.json"
_PREVIEW = "dataset.json"
_ACTORS = ("target_id", "swapped_id")


class Dfdc:
    """Parts, one or many, at any depth: folders that hold ``metadata.json`` and the videos that it names; and the
    preview release (arXiv 1910.08854), whose one ``dataset.json`` names them by their paths.

    Each item of the document is ``"aaa.mp4": {"label": "FAKE", "split": "train", "original": "bbb.mp4"}``.

    In the preview it is ``"method_A/7/7_9.mp4": {"label": "fake", "set": "train", "target_id": 7, "swapped_id": 9}``.

    **Labels** are its ``label``. **Method**: the dataset does not tell. **Splits** are its ``split``, or ``set``.

    **Groups**: a forgery belongs to its ``original``, whether that is there or not; a real video, or a forgery whose
    original is not told, to itself. Names of videos are unique in all parts, so they hold across parts. The dataset
    tells no identities: one actor may appear in several groups. The preview does: a video belongs to the actors that
    its ids name.

    A video lies beside the document or, under a name that no other file has, in a folder below it. Videos that are
    named but not there are ``missing``; media that no document names are ``unlabelled``; a document that cannot be
    read is ``unreadable``.
    """

    groups = "original videos"
    identities = False

    def recognise(self, root: Path, files: Sequence[str], params: LayoutParams) -> str | None:
        """See :class:`Layout`."""
        for path in files:
            if not _is_document(path):
                continue
            try:
                items = _items(root, path)
            except Refused:
                continue
            if any(kind_of_name(name) and "label" in item for name, item in items.items()):
                return f"{path} names media with their labels"
        return None

    def read(self, root: Path, params: LayoutParams) -> Iterator[MediaEntry]:
        """Every video that is named or there; see :class:`Layout`."""
        files = list(walk_files(root))
        documents = [path for path in files if _is_document(path)]
        if not documents:
            raise UserError(f"{root}: no {METADATA}, so no part of DFDC; try layout=auto")
        classes = ClassNames(params.class_map)
        entries: list[MediaEntry] = []
        for path in documents:
            try:
                entries += _part(path, _items(root, path), _Below(files, path), classes)
            except Refused as error:
                entries.append(refused(path, error.reason, error.detail))
        originals = {name for entry in entries for name in entry.memberships if name != PurePosixPath(entry.path).name}
        seen: set[str] = set()
        for entry in entries:
            own = PurePosixPath(entry.path).name
            seen.add(entry.path)
            bound = own in originals and own not in entry.memberships  # the forgery of a forgery
            yield replace(entry, memberships=(*entry.memberships, own)) if bound else entry
        for path in files:
            if path not in seen and path not in documents:
                yield unlabelled(path, f"named in no {METADATA}")


def _is_document(path: str) -> bool:
    return PurePosixPath(path).name in (METADATA, _PREVIEW)


def _items(root: Path, path: str) -> dict[str, dict[str, Any]]:
    content = read_json(root / path)
    if not isinstance(content, dict) or not all(isinstance(item, dict) for item in content.values()):
        raise Refused(Reason.UNREADABLE, "no object that describes files by their names")
    return content


class _Below:
    """The files of a part: those in the folder of its document and below."""

    def __init__(self, files: Sequence[str], document: str) -> None:
        self.folder = PurePosixPath(document).parent
        prefix = "" if self.folder == PurePosixPath() else f"{self.folder}/"
        self._paths = {path for path in files if path.startswith(prefix)}
        self._named: dict[str, str | None] = {}
        for path in self._paths:
            name = PurePosixPath(path).name
            self._named[name] = None if name in self._named else path

    def find(self, name: str) -> str | None:
        """Path below the root of a file that the document names, or None."""
        beside = (self.folder / name).as_posix()
        return beside if beside in self._paths else self._named.get(name)


def _part(
    document: str, items: Mapping[str, Mapping[str, Any]], below: _Below, classes: ClassNames
) -> Iterator[MediaEntry]:
    for name, item in items.items():
        try:
            safe = safe_path(name)
        except Refused as error:
            yield refused(name, error.reason, f"{error.detail} ({document})")
            continue
        path = below.find(safe)
        if path is None:
            yield replace(
                refused((below.folder / safe).as_posix(), Reason.MISSING, f"named in {document}, not in the source"),
                memberships=_memberships(safe, item),
            )
            continue
        label = classes.label(str(item.get("label", "")))
        wrong = Refused(Reason.UNLABELLED, f"label '{item.get('label', '')}' in {document}; see class_map")
        yield MediaEntry(
            path=path,
            label=label,
            memberships=_memberships(safe, item),
            split=split_of(str(item.get("split", item.get("set", ""))), classes),
            refused=wrong if label is None else None,
        )


def _memberships(name: str, item: Mapping[str, Any]) -> tuple[str, ...]:
    actors = [str(item[key]) for key in _ACTORS if isinstance(item.get(key), int | str) and str(item[key]).strip()]
    if actors:
        return tuple(dict.fromkeys(f"actors/{actor}" for actor in actors))
    original = item.get("original")
    named = original if isinstance(original, str) and original.strip() else name
    return (PurePosixPath(named.strip().replace("\\", "/")).name,)
