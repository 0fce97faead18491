import json
from pathlib import Path
from typing import Any

import pytest

from deepfake_pipeline.media.layouts import LAYOUTS, LayoutParams, MediaEntry
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.groups import group_names

ITEMS = {
    "real.mp4": {"label": "REAL", "split": "train", "original": None},
    "fake.mp4": {"label": "FAKE", "split": "train", "original": "real.mp4"},
}


def read(root: Path, items: Any, *paths: str, document: str = "part_0/metadata.json") -> dict[str, MediaEntry]:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    (root / document).parent.mkdir(parents=True, exist_ok=True)
    (root / document).write_text(items if isinstance(items, str) else json.dumps(items))
    return {entry.path: entry for entry in LAYOUTS["dfdc"].read(root, LayoutParams())}


def reasons(entries: dict[str, MediaEntry]) -> dict[str, str]:
    return {path: entry.refused.reason.value for path, entry in entries.items() if entry.refused}


@pytest.mark.parametrize("folder", ["part_0", "part_0/videos", "part_0/a/b"])
def test_videos_lie_beside_the_document_or_below(tmp_path, folder):
    entries = read(tmp_path, ITEMS, f"{folder}/real.mp4", f"{folder}/fake.mp4")
    assert list(entries.values()) == [
        MediaEntry(f"{folder}/real.mp4", 0, ("real.mp4",), split="train"),
        MediaEntry(f"{folder}/fake.mp4", 1, ("real.mp4",), split="train"),
    ]


def test_one_part_alone(tmp_path):
    assert not reasons(read(tmp_path, ITEMS, "real.mp4", "fake.mp4", document="metadata.json"))


def test_absent_and_unnamed(tmp_path):
    entries = read(tmp_path, ITEMS, "part_0/fake.mp4", "part_0/other.mp4")
    assert reasons(entries) == {"part_0/real.mp4": "missing", "part_0/other.mp4": "unlabelled"}
    assert entries["part_0/fake.mp4"].memberships == ("real.mp4",)


def test_a_forgery_of_a_forgery_and_originals_of_another_part(tmp_path):
    read(tmp_path, ITEMS, "part_0/real.mp4", "part_0/fake.mp4")
    items = {"again.mp4": {"label": "FAKE", "original": "fake.mp4"}}
    entries = read(tmp_path, items, "part_1/again.mp4", document="part_1/metadata.json")
    groups = group_names({path: entry.memberships for path, entry in entries.items()})
    assert set(groups.values()) == {"fake.mp4"} and len(groups) == 3


def test_bad_items(tmp_path):
    items = {**ITEMS, "../x.mp4": {"label": "REAL"}, "odd.mp4": {"label": "PERHAPS"}}
    entries = read(tmp_path, items, "part_0/real.mp4", "part_0/fake.mp4", "part_0/odd.mp4")
    assert reasons(entries) == {"../x.mp4": "unsafe_path", "part_0/odd.mp4": "unlabelled"}


@pytest.mark.parametrize("text", ["{", "[1]", '{"a.mp4": 1}', "\x00", "[" * 100_000])
def test_a_damaged_document_spoils_its_own_part_only(tmp_path, text):
    read(tmp_path, ITEMS, "part_0/real.mp4", "part_0/fake.mp4")
    entries = read(tmp_path, text, "part_1/a.mp4", document="part_1/metadata.json")
    assert reasons(entries) == {"part_1/metadata.json": "unreadable", "part_1/a.mp4": "unlabelled"}


def test_another_source(tmp_path):
    (tmp_path / "a.mp4").touch()
    with pytest.raises(UserError, match=r"no metadata\.json"):
        list(LAYOUTS["dfdc"].read(tmp_path, LayoutParams()))


def test_the_preview_release_names_paths_and_actors(tmp_path):
    items = {
        "original_videos/7/7_A_001.mp4": {"label": "real", "set": "train", "target_id": 7},
        "method_A/7/7_9_001.mp4": {"label": "fake", "set": "train", "target_id": 7, "swapped_id": 9},
        "method_B/4/4_5_001.mp4": {"label": "fake", "set": "test", "target_id": 4, "swapped_id": 5},
        "method_B/4/gone.mp4": {"label": "fake", "set": "test", "target_id": 4, "swapped_id": ""},
    }
    paths = [*list(items)[:3], "method_A/7/stray.mp4"]
    entries = read(tmp_path, items, *paths, document="dataset.json")
    assert entries[paths[0]] == MediaEntry(paths[0], 0, ("actors/7",), split="train")
    assert entries[paths[1]] == MediaEntry(paths[1], 1, ("actors/7", "actors/9"), split="train")
    assert entries[paths[2]] == MediaEntry(paths[2], 1, ("actors/4", "actors/5"), split="test")
    assert reasons(entries) == {"method_B/4/gone.mp4": "missing", "method_A/7/stray.mp4": "unlabelled"}
    files = [*paths, "dataset.json"]
    assert LAYOUTS["dfdc"].recognise(tmp_path, files, LayoutParams()) == "dataset.json names media with their labels"
