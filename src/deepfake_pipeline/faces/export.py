"""Faces for other tools: aligned faces in ``data_src`` and ``data_dst`` (paper 002), and COCO JSON."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow.dataset as pads

from deepfake_pipeline.faces.align import inverse, transformed
from deepfake_pipeline.faces.detections import Detection
from deepfake_pipeline.faces.geometry import CropGeometry, placement
from deepfake_pipeline.tables import Table
from deepfake_pipeline.tables.errors import UserError

Row = dict[str, Any]

CATEGORIES = ({"id": 0, "name": "Real"}, {"id": 1, "name": "Fake"})  # as OpenForensics has them
_UNLABELLED = {"id": 2, "name": "Unlabelled"}
_POINTS = ["left_eye", "right_eye", "nose", "left_mouth", "right_mouth"]
_TYPES = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"RIFF": ".webp"}
_ROWS = 64
_LABELS = {"real": 0, "forged": 1}
CHOICES = ("label", "group", "split", "method", "source", "sample_id", "track")
"""Columns of ``FACES`` by which faces are chosen."""


def chosen_by(conditions: Iterable[str]) -> pads.Expression:
    """Which rows of ``FACES`` are meant, in words of the command line.

    Args:
        conditions: one or more of ``column=value``, all of which hold; columns are ``CHOICES``, labels ``real`` and
            ``forged``.

    Raises:
        UserError: none is given, or one is none.
    """
    together: pads.Expression | None = None
    for condition in conditions:
        column, _, text = condition.partition("=")
        if column not in CHOICES or not text:
            raise UserError(f"'{condition}' chooses no faces: write column=value, columns are {', '.join(CHOICES)}")
        if column == "label" and text not in _LABELS:
            raise UserError(f"'{condition}': a label is {' or '.join(_LABELS)}")
        if column == "track" and not text.isdecimal():
            raise UserError(f"'{condition}': a track is a number")
        value = _LABELS[text] if column == "label" else int(text) if column == "track" else text
        one = pads.field(column) == value
        together = one if together is None else together & one
    if together is None:
        raise UserError("no faces are chosen: name them as column=value, such as group=id0")
    return together


def export_swap_folders(
    faces: Table,
    folder: Path,
    source: pads.Expression,
    target: pads.Expression,
    geometry: CropGeometry | None = None,
) -> dict[str, int]:
    """Write the folders in which paper 002 hands faces over to face-swapping tools.

    ``data_src/aligned`` holds the faces that replace, ``data_dst/aligned`` those that are replaced; the crops are
    copied as they are stored, byte for byte, each under its face id. ``metadata.json`` beside them tells for each
    file where it was cut and what is known of it. A forged face says so there and in its name.

    The folder is written beside and then renamed: it is whole or absent.

    Args:
        faces: table ``FACES``.
        folder: is made; must not exist yet, or be empty.
        source: which rows go to ``data_src``.
        target: which rows go to ``data_dst``.
        geometry: how the crops were cut; with it, the transform from frame to crop and the five points in the
            crop are told too.

    Returns:
        How many faces each folder holds.

    Raises:
        UserError: the folder holds something, or no row is chosen for one of the two.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: is not empty; name a folder that is not there yet")
    with _beside(folder) as part:
        counts = {}
        for name, chosen in (("data_src", source), ("data_dst", target)):
            (part / name / "aligned").mkdir(parents=True)
            entries = _written(faces, chosen, part / name, geometry)
            with (part / name / "metadata.json").open("w", encoding="utf-8") as file:
                counts[name] = _write_object(file, {"faces": entries})["faces"]
            if not counts[name]:
                raise UserError(f"{folder}: no face is chosen for {name}; change what is asked for")
    return counts


def export_coco(faces: Table, manifest: Table, path: Path) -> dict[str, int]:
    """Write a face table as COCO JSON: images, boxes, five points; memory does not grow with the crops.

    An image stands for each frame that holds a face; a frame of a video has the video's ``file_name`` and its own
    ``frame``. Boxes are x, y, w, h in px; keypoints have visibility 2 and, as in the table, pixel centres. Faces
    without a label come in a category of their own. The file is written beside and then renamed.

    Args:
        faces: table ``FACES``; rows without a box are left out.
        manifest: table ``MANIFEST``: paths and sizes.
        path: of the JSON file; its folder must exist.

    Returns:
        How many images and annotations.

    Raises:
        UserError: the folder does not exist, or the manifest lacks a file that has faces.
    """
    if not path.parent.is_dir():
        raise UserError(f"cannot write {path}: there is no folder {path.parent}")
    files = {row["sample_id"]: row for row in _rows(manifest, ["sample_id", "path", "width", "height"])}
    boxed = pads.field("x").is_valid()
    unlabelled = faces.count(boxed & pads.field("label").is_null()) > 0
    beside = path.with_name(f".{path.name}.part")
    try:
        with beside.open("w", encoding="utf-8") as file:
            counts = _write_object(
                file,
                {
                    "categories": ({**one, "keypoints": _POINTS} for one in (*CATEGORIES, *[_UNLABELLED] * unlabelled)),
                    "images": _images(faces, boxed, files),
                    "annotations": _annotations(faces, boxed),
                },
            )
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return {name: counts[name] for name in ("images", "annotations")}


def _written(faces: Table, chosen: pads.Expression, folder: Path, geometry: CropGeometry | None) -> Iterator[Row]:
    for row in _rows(faces, None, chosen):
        crop = row.pop("crop")
        suffix = next((suffix for magic, suffix in _TYPES.items() if crop.startswith(magic)), ".bin")
        name = f"{row['face_id']}{'-forged' if row['label'] == 1 else ''}{suffix}"
        (folder / "aligned" / name).write_bytes(crop)
        yield {"file": f"aligned/{name}"} | row | (_cut(row, geometry) if geometry else {})


def _cut(row: Row, geometry: CropGeometry) -> Row:
    """Where the crop lies: the transform from frame to crop, and back, and the points in the crop."""
    if row["x"] is None or geometry.kind == "whole":
        return {}
    points = None if row["landmarks"] is None else np.array(row["landmarks"], np.float32).reshape(5, 2)
    box = np.array([row[side] for side in "xywh"], np.float32)
    matrix = placement(Detection(box, row["score"] or 0.0, points), geometry)
    inside = None if points is None else transformed(points, matrix).round(3).ravel().tolist()
    return {"to_crop": matrix.tolist(), "to_frame": inverse(matrix).tolist(), "landmarks_in_crop": inside}


def _frames(faces: Table, where: pads.Expression, columns: list[str]) -> Iterator[tuple[int, bool, Row]]:
    """Rows with the number of their frame, from 1, and whether they are its first."""
    number, last = 0, None
    for row in _rows(faces, ["sample_id", "frame", *columns], where):
        frame = row["sample_id"], row["frame"]
        number += frame != last
        yield number, frame != last, row
        last = frame


def _images(faces: Table, where: pads.Expression, files: dict[str, Row]) -> Iterator[Row]:
    for number, first, row in _frames(faces, where, []):
        if first:
            file = files.get(row["sample_id"])
            if file is None:
                raise UserError(f"manifest: sample {row['sample_id']} is not in it; give the manifest of these faces")
            yield {
                "id": number,
                "file_name": file["path"],
                "frame": row["frame"],
                "width": file["width"],
                "height": file["height"],
            }


def _annotations(faces: Table, where: pads.Expression) -> Iterator[Row]:
    columns = ["face_id", "label", "method", *"xywh", "score", "landmarks"]
    for number, (image, _, row) in enumerate(_frames(faces, where, columns), start=1):
        points = np.array(row["landmarks"] or [], np.float32).reshape(-1, 2)
        seen = np.column_stack([points, np.full(len(points), 2)]) if len(points) else np.zeros((5, 3))
        yield {
            "id": number,
            "image_id": image,
            "category_id": _UNLABELLED["id"] if row["label"] is None else row["label"],
            "bbox": [row[side] for side in "xywh"],
            "area": row["w"] * row["h"],
            "iscrowd": 0,
            "keypoints": seen.ravel().tolist(),
            "num_keypoints": len(points),
            "score": row["score"],
            "face_id": row["face_id"],
            "method": row["method"],
        }


def _rows(table: Table, columns: list[str] | None, where: pads.Expression | None = None) -> Iterator[Row]:
    for batch in table.batches(columns, where, rows=_ROWS):
        yield from batch.to_pylist()


def _write_object(file: IO[str], lists: dict[str, Iterable[Row]]) -> dict[str, int]:
    """Write a JSON object of lists, one entry a line, as they come; returns their lengths."""
    counts = {}
    for place, (name, entries) in enumerate(lists.items()):
        counts[name] = 0
        file.write(f"{',' if place else '{'}\n{json.dumps(name)}: [")
        for entry in entries:
            file.write(f"{',' if counts[name] else ''}\n{json.dumps(entry, ensure_ascii=False, allow_nan=False)}")
            counts[name] += 1
        file.write("\n]")
    file.write("\n}\n")
    return counts


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A folder to write into, renamed to its place at the end and removed on an error."""
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        yield part
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
