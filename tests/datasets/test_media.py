"""What is kept, and shown, of media."""

import json

import pytest

from deepfake_pipeline.datasets.media import MediaDataset
from deepfake_pipeline.media.sources import LocalFolder


@pytest.fixture
def dataset(tmp_path):
    return MediaDataset(filepath=str(tmp_path / "data/01_raw/media"))


def test_a_folder_used_in_place_is_found_again_and_shown_without_its_path(dataset, tmp_path):
    folder = tmp_path / "private" / "evidence"
    folder.mkdir(parents=True)
    dataset.save(LocalFolder(folder))
    assert dataset.load().root == folder
    assert json.loads(dataset.preview()) == {"left behind": {}, "used in place": "evidence"}


def test_files_that_were_unpacked_are_counted(dataset):
    class Unpacked:
        folder = None

        def write_into(self, folder):
            for name in ("a.PNG", "b.png", "c"):
                (folder / name).touch()
            return [{"path": "d", "reason": "unsafe_path", "detail": ""}] * 2

    dataset.save(Unpacked())
    assert json.loads(dataset.preview()) == {
        "left behind": {"unsafe_path": 2},
        "files by suffix": {".png": 2, "none": 1},
    }
