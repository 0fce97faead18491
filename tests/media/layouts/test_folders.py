from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepfake_pipeline.media.layouts import LAYOUTS, LayoutParams, MediaEntry
from deepfake_pipeline.tables import Reason


def read(root: Path, *paths: str, **params: object) -> dict[str, MediaEntry]:
    """Entries by path, of a folder that holds these (empty) files."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return {entry.path: entry for entry in LAYOUTS["folders"].read(root, LayoutParams(**params))}  # type: ignore[arg-type]


def labels(entries: dict[str, MediaEntry]) -> dict[str, int | None]:
    return {path: entry.label for path, entry in entries.items()}


@pytest.mark.parametrize(
    ("real", "fake"),
    [
        ("Real", "Fake"),
        ("Train/Real", "Train/Fake"),
        ("Dataset/Test/Real", "Dataset/Test/Fake"),
        ("Real/Test", "Fake/Test"),
        ("Deepfake/Real", "Deepfake/Fake"),
        ("fake/original images", "fake/manipulated images"),
        ("real_vs_fake/real-vs-fake/valid/real", "real_vs_fake/real-vs-fake/valid/fake"),
        ("training_real", "training_fake"),
    ],
)
def test_usual_nestings(tmp_path, real, fake):
    entries = read(tmp_path, f"{real}/a.jpg", f"{fake}/b.jpg", "README.md")
    assert labels(entries) == {f"{real}/a.jpg": 0, f"{fake}/b.jpg": 1, "README.md": None}
    assert entries["README.md"].refused.reason is Reason.UNLABELLED


def test_splits(tmp_path):
    entries = read(tmp_path, "Train/Real/1", "Validation/Real/1", "Fake/Test/1", "Fake/1", "x/calibration/Fake/1")
    assert {path: entry.split for path, entry in entries.items()} == {
        "Train/Real/1": "train",
        "Validation/Real/1": "validation",
        "Fake/Test/1": "test",
        "Fake/1": None,
        "x/calibration/Fake/1": "calibration",
    }


def test_the_outermost_split_counts_also_where_all_share_it(tmp_path):
    entries = read(tmp_path, "Train/Real/test/1.jpg", "Train/Fake/2.jpg")
    assert {entry.split for entry in entries.values()} == {"train"}


def test_one_class_alone_keeps_its_label(tmp_path):
    assert labels(read(tmp_path, "Real/1.jpg", "Real/2.jpg")) == {"Real/1.jpg": 0, "Real/2.jpg": 0}


def test_directories_of_both_classes_are_ambiguous(tmp_path):
    entries = read(tmp_path, "Fake/original/1.jpg", "Fake/2.jpg", "Real/3.jpg")
    assert labels(entries) == {"Fake/original/1.jpg": None, "Fake/2.jpg": 1, "Real/3.jpg": 0}
    assert "both classes" in entries["Fake/original/1.jpg"].refused.detail
    mapped = read(tmp_path, class_map={"original": "neither"})
    assert mapped["Fake/original/1.jpg"].label == 1


def test_a_map_of_ones_own(tmp_path):
    entries = read(
        tmp_path, "StyleGAN/1.jpg", "Photos of us/2.jpg", class_map={"stylegan": "fake", "photos-of-us": "real"}
    )
    assert labels(entries) == {"StyleGAN/1.jpg": 1, "Photos of us/2.jpg": 0}
    assert entries["StyleGAN/1.jpg"].method == "StyleGAN"


def test_method_is_a_telling_name(tmp_path):
    entries = read(tmp_path, "Fake/FaceSwap/1", "Fake/2", "FaceSwap/Fake/3", "Real/4")
    assert [entry.method for entry in entries.values()] == ["FaceSwap", None, "FaceSwap", None]


class TestGroups:
    def groups(self, *args: object, **params: object) -> list[tuple[str, ...]]:
        return [entry.memberships for entry in read(*args, **params).values()]  # type: ignore[arg-type]

    def test_the_same_name_in_both_classes_is_one_group(self, tmp_path):
        assert self.groups(tmp_path, "Fake/001.png", "Real/001.jpg", "Real/002.jpg") == [("001",), ("001",), ("002",)]

    def test_numbers_start_anew_in_each_split_and_part(self, tmp_path):
        groups = self.groups(tmp_path, "Test/Real/1", "Train/Fake/1", "Train/Real/1", "Train/part2/Real/1")
        assert groups == [("Test/1",), ("Train/1",), ("Train/1",), ("Train/part2/1",)]

    def test_frames_of_a_video_are_one_group_in_all_classes_and_splits(self, tmp_path):
        groups = self.groups(tmp_path, "Fake/Test/v7/001.png", "Fake/Train/v7/002.png", "Real/v7/a/3.png", "Real/4.png")
        assert groups == [("v7",), ("v7",), ("4",), ("v7/a",)]

    def test_everything_has_one(self, tmp_path):
        assert all(self.groups(tmp_path, "1", "a/2", "Real/3", "Real/original/Fake/4"))


NAMES = st.sampled_from(["Real", "Fake", "Train", "Test", "x", "images", "video 1", "FaceSwap", "original", ".git"])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.lists(NAMES, max_size=4), st.integers(0, 3)), max_size=12))
def test_any_tree_gives_each_file_once(tmp_path_factory, tree):
    paths = {"/".join([*folders, f"{number}.jpg"]) for folders, number in tree}
    entries = read(tmp_path_factory.mktemp("tree"), *paths)
    assert list(entries) == [path for path in entries if not path.startswith(".git") and "/.git" not in path]
    assert set(entries) == {path for path in paths if ".git" not in path}
    for entry in entries.values():
        assert entry.memberships and (entry.label is None) == (entry.refused is not None)
        assert entry.method is None or entry.label == 1
