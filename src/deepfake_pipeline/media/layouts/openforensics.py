"""Layout ``openforensics``: OpenForensics (Le et al. 2021, arXiv 2107.14480), its images or crops of their faces."""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from deepfake_pipeline.media.images import read_size
from deepfake_pipeline.media.kinds import kind_of_name
from deepfake_pipeline.media.layouts.base import (
    FORGED,
    REAL,
    GivenFace,
    LayoutParams,
    MediaEntry,
    refused,
    unlabelled,
)
from deepfake_pipeline.media.layouts.documents import read_json
from deepfake_pipeline.media.layouts.names import ClassNames
from deepfake_pipeline.media.paths import safe_path, walk_files
from deepfake_pipeline.tables import Reason, Refused
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.splits import Split

_ANNOTATIONS = "_poly.json"
_SPLITS: dict[str, Split] = {
    "train": "train",
    "val": "validation",
    "validation": "validation",
    "test": "test",
    "test-dev": "test",
    "test-challenge": "test",
}
_CROPS = re.compile(r"(?:.*/)?(?P<split>train|validation|val|test)/(?P<label>real|fake)/[^/]+", re.IGNORECASE)
_CROP_SIDE = 256  # px
_FAR = 1e7  # px: no coordinate is as large
_LABELS = {"real": REAL, "fake": FORGED}
_CATEGORIES = {0: REAL, 1: FORGED}  # where the document has no list of them

_Faces = tuple[list[GivenFace], bool]  # those that could be read, and whether all could
_NO_FACES: _Faces = ([], True)


class OpenForensics:
    """``Train_poly.json``, ``Val_poly.json``, ``Test-Dev_poly.json``, ``Test-Challenge_poly.json`` and their images, or
    ``Train|Validation|Test / Real|Fake`` with 256×256 crops.

    The documents are of COCO's form. Several faces stand in an image, each with a category (Real, Fake), a box and
    polygons; images lie in the folder that is named as their document, or anywhere below the folder of the document;
    of ``file_name`` the last part alone counts.

    **Labels** belong to faces, and to an image where all of its faces have the same. Of crops they are the folders.
    **Method**: the dataset knows one and gives no name to it. **Splits** are the documents, both tests being ``test``,
    or the folders of the crops.

    **Groups**: the dataset tells no identities; each file is its own group.

    Images that a document names but that are not there are ``missing``; images that none names, or of which no face
    is annotated, are ``unlabelled``; a document that cannot be read is ``unreadable``. An annotation without a usable
    box leaves the label of its image open.
    """

    groups = "files"
    identities = False

    def recognise(self, root: Path, files: Sequence[str], params: LayoutParams) -> str | None:
        """See :class:`Layout`. Crops are recognised by all six folders and, of a few, by their size."""
        documents = [path for path in files if _split_of_document(path)]
        if documents:
            return f"annotations {', '.join(documents[:4])}"
        crops: dict[tuple[str, str], str] = {}
        for path in files:
            if found := _crop(path):
                crops.setdefault(found, path)
        sized = [path for path in crops.values() if _has_crop_size(root / path)]
        if len(crops) == len(sized) == 6:
            return f"{_CROP_SIDE}×{_CROP_SIDE} crops in Train, Validation and Test, each with Real and Fake"
        return None

    def read(self, root: Path, params: LayoutParams) -> Iterator[MediaEntry]:
        """Every image that is named or there; see :class:`Layout`."""
        files = list(walk_files(root))
        documents = [path for path in files if _split_of_document(path)]
        if not documents and not any(_crop(path) for path in files):
            raise UserError(
                f"{root}: no *{_ANNOTATIONS} and no crops in Train, Validation or Test; try layout=auto or folders"
            )
        classes = ClassNames(params.class_map)
        seen = set(documents)
        for path in documents:
            for entry in _annotated(root, path, files, classes):
                seen.add(entry.path)
                yield entry
        for path in files:
            if path not in seen:
                yield _crop_entry(path)


def _split_of_document(path: str) -> Split | None:
    name = PurePosixPath(path).name.casefold()
    return _SPLITS.get(name.removesuffix(_ANNOTATIONS)) if name.endswith(_ANNOTATIONS) else None


def _crop(path: str) -> tuple[Split, str] | None:
    """Split and class of a crop."""
    found = _CROPS.fullmatch(path)
    if found is None or kind_of_name(path) != "image":
        return None
    return _SPLITS[found["split"].casefold()], found["label"].casefold()


def _has_crop_size(path: Path) -> bool:
    try:
        return read_size(path) == (_CROP_SIDE, _CROP_SIDE)
    except Refused:
        return False


def _crop_entry(path: str) -> MediaEntry:
    if (found := _crop(path)) is None:
        return unlabelled(path, f"named in no *{_ANNOTATIONS}, and no crop in a folder of its class")
    split, label = found
    return MediaEntry(path=path, label=_LABELS[label], memberships=(path,), split=split)


def _annotated(root: Path, document: str, files: Sequence[str], classes: ClassNames) -> Iterator[MediaEntry]:
    try:
        content = read_json(root / document, _compact)
        images, faces = _images(content), _faces(content, classes)
    except Refused as error:
        yield refused(document, error.reason, error.detail)
        return
    where = _Images(files, document)
    merged: dict[str, list[int | str]] = {}
    for number, name in images:
        merged.setdefault(name, []).append(number)
    for name, numbers in merged.items():
        try:
            path = where.find(safe_path(name))
        except Refused as error:
            yield refused(name, error.reason, f"{error.detail} ({document})")
            continue
        if path is None:
            yield refused(name, Reason.MISSING, f"named in {document}, not in the source")
            continue
        parts = [faces.get(number, _NO_FACES) for number in numbers]
        yield _entry(path, document, [face for found, _ in parts for face in found], all(ok for _, ok in parts))


def _entry(path: str, document: str, faces: list[GivenFace], complete: bool) -> MediaEntry:
    labels = {face.label for face in faces}
    known = bool(labels - {None})
    none = Refused(Reason.UNLABELLED, f"no face of it is annotated as real or forged in {document}")
    return MediaEntry(
        path=path,
        label=labels.pop() if len(labels) == 1 and complete else None,
        memberships=(path,),
        split=_split_of_document(document),
        refused=None if known else none,
        faces=tuple(sorted(faces, key=lambda face: face.box)),
    )


class _Images:
    """Where the images of a document lie: first in the folder of its name, then below its own folder."""

    def __init__(self, files: Sequence[str], document: str) -> None:
        folder = PurePosixPath(document).parent
        name = PurePosixPath(document).name[: -len(_ANNOTATIONS)].casefold()
        self._near: dict[str, str] = {}
        self._far: dict[str, str | None] = {}
        for path in files:
            if not PurePosixPath(path).is_relative_to(folder) or kind_of_name(path) is None:
                continue
            *folders, last = PurePosixPath(path).relative_to(folder).parts
            if name in (part.casefold() for part in folders):
                self._near.setdefault(last, path)
            elif not any(part.casefold() in _SPLITS for part in folders):
                self._far[last] = None if last in self._far else path

    def find(self, name: str) -> str | None:
        """Path of an image, by the last part of its name alone."""
        last = PurePosixPath(name).name
        return self._near.get(last) or self._far.get(last)


def _compact(item: dict[str, Any]) -> dict[str, Any]:
    """An object of the document with its polygons as flat arrays: a tenth of the memory of lists."""
    segmentation = item.get("segmentation")
    if isinstance(segmentation, list):
        item["segmentation"] = [_polygon(one) for one in segmentation if _polygon(one)]
    return item


def _polygon(points: object) -> array[float]:
    if not isinstance(points, list) or not all(_is_number(value) for value in points):
        return array("f")
    return array("f", points)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) < _FAR  # false for NaN too


def _images(content: Any) -> list[tuple[int | str, str]]:
    """Id and name of each image that a document describes."""
    listed = content.get("images") if isinstance(content, dict) else None
    if not isinstance(listed, list) or not isinstance(content.get("annotations"), list):
        raise Refused(Reason.UNREADABLE, "no COCO document: images and annotations are lists")
    found: list[tuple[int | str, str]] = []
    for image in listed:
        number, name = (image.get("id"), image.get("file_name")) if isinstance(image, dict) else (None, None)
        if isinstance(number, int | str) and isinstance(name, str):
            found.append((number, name))
    return found


def _faces(content: Mapping[str, Any], classes: ClassNames) -> dict[int | str, _Faces]:
    """Faces by the id of their image."""
    labels = _categories(content, classes)
    found: defaultdict[int | str, list[GivenFace]] = defaultdict(list)
    broken: set[int | str] = set()
    for item in content["annotations"]:
        number = item.get("image_id") if isinstance(item, dict) else None
        if not isinstance(number, int | str):
            continue
        if (box := _box(item.get("bbox"))) is None:
            broken.add(number)
            continue
        segmentation = item.get("segmentation")
        polygons = tuple(segmentation) if isinstance(segmentation, list) else ()
        category = item.get("category_id")
        label = labels.get(category) if isinstance(category, int) else None
        found[number].append(GivenFace(box, label, polygons))
    return {number: (found[number], number not in broken) for number in {*found, *broken}}


def _categories(content: Mapping[str, Any], classes: ClassNames) -> dict[int, int | None]:
    listed = content.get("categories")
    named = {
        item["id"]: classes.label(str(item.get("name", "")))
        for item in (listed if isinstance(listed, list) else [])
        if isinstance(item, dict) and isinstance(item.get("id"), int)
    }
    return named or dict(_CATEGORIES)


def _box(value: object) -> tuple[float, float, float, float] | None:
    if not isinstance(value, list) or len(value) != 4 or not all(_is_number(side) for side in value):
        return None
    x, y, w, h = (float(side) for side in value)
    return (x, y, w, h) if w > 0 and h > 0 else None
