import json
from pathlib import Path
from typing import Any

import pytest

from deepfake_pipeline.media.layouts import LAYOUTS, GivenFace, LayoutParams, MediaEntry
from deepfake_pipeline.tables.errors import UserError

IMAGES = [{"id": 7, "file_name": "Images/Train/a.jpg"}, {"id": 8, "file_name": "Images/Train/b.jpg"}]
FACES = [
    {"image_id": 8, "category_id": 0, "bbox": [1, 2, 3, 4], "segmentation": [[1, 2, 4, 2, 4, 6]]},
    {"image_id": 7, "category_id": 1, "bbox": [5, 6, 7, 8], "segmentation": [[5, 6, 12, 6, 12, 14]]},
    {"image_id": 7, "category_id": 0, "bbox": [1, 1, 2, 2], "segmentation": {"counts": "x", "size": [9, 9]}},
]


def read(root: Path, *paths: str, images: Any = IMAGES, faces: Any = FACES, **extra: Any) -> dict[str, MediaEntry]:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    if images is not None:
        document = {"images": images, "annotations": faces, **extra}
        (root / "Train_poly.json").write_text(json.dumps(document))
    return {entry.path: entry for entry in LAYOUTS["openforensics"].read(root, LayoutParams())}


def test_labels_belong_to_faces(tmp_path):
    entries = read(tmp_path, "Train/a.jpg", "Train/b.jpg")
    a, b = entries["Train/a.jpg"], entries["Train/b.jpg"]
    assert (a.label, b.label, a.split, a.method) == (None, 0, "train", None)
    assert a.refused is None and a.is_labelled
    assert [(face.box, face.label) for face in a.faces] == [((1, 1, 2, 2), 0), ((5, 6, 7, 8), 1)]
    assert [list(outline) for outline in a.faces[1].polygons] == [[5, 6, 12, 6, 12, 14]]
    assert b.faces == (GivenFace((1, 2, 3, 4), 0, b.faces[0].polygons),)


@pytest.mark.parametrize("place", ["Train/Train/a.jpg", "Train/a.jpg", "Images/Train/a.jpg", "Images/a.jpg", "a.jpg"])
def test_only_the_last_part_of_a_name_counts(tmp_path, place):
    entries = read(tmp_path, place, images=IMAGES[:1])
    assert entries[place].refused is None


def test_an_image_of_another_split_is_not_taken_for_it(tmp_path):
    entries = read(tmp_path, "Val/a.jpg", images=IMAGES[:1])
    assert {path: entry.refused.reason for path, entry in entries.items()} == {
        "Images/Train/a.jpg": "missing",
        "Val/a.jpg": "unlabelled",
    }


def test_categories_are_read_and_not_assumed(tmp_path):
    categories = [{"id": 0, "name": "Fake"}, {"id": 1, "name": "Real"}]
    assert read(tmp_path, "Train/b.jpg", categories=categories)["Train/b.jpg"].label == 1


@pytest.mark.parametrize(
    "bbox", [None, [1, 2, 3], [1, 2, 0, 4], [1, 2, -3, 4], ["a", 2, 3, 4], [1, 2, float("nan"), 1]]
)
def test_a_broken_box_leaves_the_label_of_its_image_open(tmp_path, bbox):
    faces = [FACES[0], {"image_id": 8, "category_id": 1, "bbox": bbox}]
    entry = read(tmp_path, "Train/b.jpg", faces=faces)["Train/b.jpg"]
    assert entry.label is None and entry.refused is None and len(entry.faces) == 1


@pytest.mark.parametrize("faces", [[], [{"image_id": 8, "category_id": 5, "bbox": [1, 2, 3, 4]}], [1, {}]])
def test_an_image_without_labelled_faces_is_unlabelled(tmp_path, faces):
    assert read(tmp_path, "Train/b.jpg", faces=faces)["Train/b.jpg"].refused.reason == "unlabelled"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"images": 1, "annotations": []}'])
def test_a_damaged_document_spoils_its_own_images_only(tmp_path, text):
    (tmp_path / "Val_poly.json").write_text(text)
    entries = read(tmp_path, "Train/a.jpg", "Train/b.jpg", "Val/c.jpg")
    assert {path: entry.refused.reason.value for path, entry in entries.items() if entry.refused} == {
        "Val_poly.json": "unreadable",
        "Val/c.jpg": "unlabelled",
    }


def test_crops(tmp_path):
    paths = ["Train/Real/1.jpg", "Train/Fake/1.jpg", "Validation/Real/1.jpg", "Test/Fake/1.jpg"]
    entries = read(tmp_path, *paths, "notes.txt", images=None)
    assert [entries[path] for path in paths] == [
        MediaEntry(path, int("Fake" in path), (path,), split=split)
        for path, split in zip(paths, ("train", "train", "validation", "test"), strict=True)
    ]
    assert entries["notes.txt"].refused.reason == "unlabelled"


def test_another_source(tmp_path):
    with pytest.raises(UserError, match=r"no \*_poly\.json and no crops"):
        read(tmp_path, "Real/a.jpg", images=None)
