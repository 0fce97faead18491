from pathlib import Path

import pytest

from deepfake_pipeline.media.layouts import LAYOUTS, LayoutParams, MediaEntry
from deepfake_pipeline.tables.errors import UserError

FILES = (
    "Celeb-real/id0_0000.mp4",
    "Celeb-real/id1_0000.mp4",
    "Celeb-synthesis/id0_id1_0000.mp4",
    "YouTube-real/00170.mp4",
)


def read(root: Path, *paths: str, testing: str | None = None) -> dict[str, MediaEntry]:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    if testing is not None:
        (root / "List_of_testing_videos.txt").write_text(testing)
    return {entry.path: entry for entry in LAYOUTS["celeb_df"].read(root, LayoutParams())}


def test_labels_methods_and_identities(tmp_path):
    assert list(read(tmp_path, *FILES).values()) == [
        MediaEntry(FILES[0], 0, ("id0",)),
        MediaEntry(FILES[1], 0, ("id1",)),
        MediaEntry(FILES[2], 1, ("id0", "id1"), method="Celeb-synthesis"),
        MediaEntry(FILES[3], 0, ("YouTube-real/00170",)),
    ]


def test_in_the_list_one_is_real(tmp_path):
    entries = read(tmp_path, *FILES, testing=f"1 {FILES[0]}\n0 {FILES[2]}\n0 {FILES[3]}\n")
    assert [entry.split for entry in entries.values()] == ["test", "train", "test", "test"]
    assert [path for path, entry in entries.items() if entry.refused] == [FILES[3]]
    assert entries[FILES[3]].refused.reason == "label_conflict"


def test_what_is_wrong_with_the_list(tmp_path):
    entries = read(tmp_path, *FILES, testing="1 YouTube-real/99999.mp4\nnonsense\n\n2 Celeb-real/id0_0000.mp4\n")
    refused = {path: entry.refused.reason for path, entry in entries.items() if entry.refused}
    assert refused == {
        "YouTube-real/99999.mp4": "missing",
        "List_of_testing_videos.txt, line 2": "unreadable",
        "List_of_testing_videos.txt, line 4": "unreadable",
    }


def test_two_versions_side_by_side_each_with_its_list(tmp_path):
    for version in ("v1", "v2"):
        read(tmp_path / version, *FILES)
    (tmp_path / "v2/List_of_testing_videos.txt").write_text(f"1 {FILES[0]}\n")
    entries = read(tmp_path)
    assert [path for path, entry in entries.items() if entry.split == "test"] == [f"v2/{FILES[0]}"]


def test_frames_belong_to_their_video(tmp_path):
    path = "Celeb-synthesis/id0_id1_0003/00012.png"
    entries = read(tmp_path, path, testing="0 Celeb-synthesis/id0_id1_0003.mp4\n")
    assert entries[path].memberships == ("id0", "id1") and entries[path].split == "test"


@pytest.mark.parametrize("path", ["Celeb-real/0000.mp4", "Celeb-synthesis/id0_0000.mp4", "Celeb-real/id0_x.mp4"])
def test_a_name_without_identity_is_not_used(tmp_path, path):
    entries = read(tmp_path, *FILES, path)
    assert entries[path].refused.reason == "unlabelled" and "gives no identity" in entries[path].refused.detail


def test_another_source(tmp_path):
    with pytest.raises(UserError, match="no media in Celeb-real, Celeb-synthesis or YouTube-real"):
        read(tmp_path, "Real/a.jpg")
