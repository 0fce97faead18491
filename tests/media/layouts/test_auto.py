"""Which layout fits, and why; what each layout is recognised by is in its own tests and in ``test_replicas``."""

import random
from pathlib import Path

import pytest

from deepfake_pipeline.media.layouts import LAYOUTS, LayoutParams, resolve_layout
from deepfake_pipeline.tables.errors import UserError
from tests.media.layouts.replicas import celeb_df, dfdc


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def recognised(root: Path) -> tuple[str, str]:
    return resolve_layout("auto", root, LayoutParams())


def test_folders_by_the_names_of_classes(tmp_path):
    touch(tmp_path, "x/Train/Real/1.jpg", "x/Train/FaceSwap/2.mp4", "x/readme.txt")
    assert recognised(tmp_path) == ("folders", "media in directories that name a class (FaceSwap, Real)")


def test_small_crops_in_class_folders_are_not_openforensics(tmp_path):
    touch(
        tmp_path, *(f"{split}/{name}/1.jpg" for split in ("Train", "Validation", "Test") for name in ("Real", "Fake"))
    )
    assert recognised(tmp_path)[0] == "folders"


@pytest.mark.parametrize("name", ["labels.csv", "a/b/c/labels.csv", "labels.jsonl"])
def test_manifest_by_its_columns(tmp_path, name):
    touch(tmp_path, "1.jpg", name)
    (tmp_path / name).write_text(
        '{"file": "1.jpg", "label": 1}\n' if name.endswith("l") else "file,label\n1.jpg,REAL\n"
    )
    assert recognised(tmp_path) == ("manifest", f"columns file and label in {name}")


def test_a_rendered_set_by_its_truth(tmp_path):
    touch(tmp_path, "truth.parquet", "Real/1.png")
    assert recognised(tmp_path) == ("rendered", "truth.parquet in the root")


def test_two_that_fit_stop_with_both_names(tmp_path):
    celeb_df(tmp_path / "a", random.Random(0))
    dfdc(tmp_path / "b", random.Random(0))
    with pytest.raises(
        UserError, match=r"more than one layout fits, dfdc \(.+\) and celeb_df \(.+\); set study.layout"
    ):
        recognised(tmp_path)


def test_a_table_beside_class_folders_may_tell_another_truth(tmp_path):
    touch(tmp_path, "Real/1.jpg", "Fake/2.jpg")
    (tmp_path / "labels.csv").write_text("file,label\nReal/1.jpg,FAKE\n")
    with pytest.raises(UserError, match=r"folders \(.+\) and manifest \(.+\)"):
        recognised(tmp_path)


def test_none_fits(tmp_path):
    touch(tmp_path, "a/1.jpg", "a/metadata.json", "a/labels.csv")
    with pytest.raises(UserError, match=f"no known layout \\({', '.join(LAYOUTS)}\\) is recognised in its 3 files"):
        recognised(tmp_path)


def test_a_layout_that_is_named_is_not_doubted(tmp_path):
    assert resolve_layout("dfdc", tmp_path, LayoutParams()) == ("dfdc", "set by study.layout")
