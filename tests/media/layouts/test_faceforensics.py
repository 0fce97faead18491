import json
from pathlib import Path

import pytest

from deepfake_pipeline.media.layouts import LAYOUTS, LayoutParams, MediaEntry
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.groups import group_names

REAL = "original_sequences/youtube/c23/videos"
FORGED = "manipulated_sequences"


def read(root: Path, *paths: str, **splits: list[list[str]]) -> dict[str, MediaEntry]:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    for name, pairs in splits.items():
        (root / f"{name}.json").write_text(json.dumps(pairs))
    return {entry.path: entry for entry in LAYOUTS["faceforensics"].read(root, LayoutParams())}


def test_a_forgery_belongs_to_both_identities_in_every_method(tmp_path):
    methods = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
    forged = [f"{FORGED}/{method}/{quality}/videos/519_515.mp4" for method in methods for quality in ("c23", "raw")]
    entries = read(tmp_path, f"{REAL}/519.mp4", f"{REAL}/515.mp4", f"{REAL}/001.mp4", *forged)
    assert entries[forged[0]] == MediaEntry(forged[0], 1, ("youtube/519", "youtube/515"), method="Deepfakes")
    assert [entries[path].method for path in forged] == [method for method in methods for _ in range(2)]
    groups = group_names({path: entry.memberships for path, entry in entries.items()})
    assert len({groups[path] for path in (f"{REAL}/519.mp4", f"{REAL}/515.mp4", *forged)}) == 1
    assert len(set(groups.values())) == 2


def test_actors_are_no_youtube_identities(tmp_path):
    forged = f"{FORGED}/DeepFakeDetection/c23/videos/24_23__outside_talking_still_laughing__YR5OVD4S.mp4"
    real = "original_sequences/actors/c23/videos/24__outside_talking_still_laughing.mp4"
    entries = read(tmp_path, forged, real, f"{REAL}/024.mp4", train=[["024", "023"]])
    assert entries[forged].memberships == ("actors/24", "actors/23") and entries[forged].split is None
    assert entries[real].memberships == ("actors/24",) and entries[real].label == 0
    assert entries[f"{REAL}/024.mp4"].memberships == ("youtube/024",)


def test_splits_that_leak_are_followed(tmp_path):
    paths = [f"{FORGED}/FaceSwap/c23/videos/{pair}.mp4" for pair in ("001_002", "002_001", "001_003", "002_003")]
    entries = read(tmp_path, *paths, f"{REAL}/001.mp4", train=[["001", "002"]], test=[["001", "003"]], val=[])
    assert [entries[path].split for path in paths] == ["train", "train", "test", None]
    assert entries[f"{REAL}/001.mp4"].split == "train"  # what is judged should not be known already


def test_masks_are_named_by_their_videos(tmp_path):
    mask = f"{FORGED}/Deepfakes/masks/videos/001_002.mp4"
    videos = [f"{FORGED}/{place}/videos/001_002.mp4" for place in ("Deepfakes/c23", "Deepfakes/c40", "FaceSwap/c23")]
    lonely = f"{FORGED}/FaceSwap/masks/videos/003_004.mp4"
    entries = read(tmp_path, mask, lonely, *videos)
    assert [entries[path].mask for path in videos] == [mask, mask, None]
    assert mask not in entries and entries[lonely].refused.reason == "unlabelled"


def test_frames_in_a_folder_of_their_video(tmp_path):
    frames = [f"{FORGED}/{method}/c23/images/071_054/0001.png" for method in ("Deepfakes", "FaceSwap")]
    entries = read(tmp_path, *frames, f"{FORGED}/FaceSwap/masks/images/071_054/0001.png")
    assert {entry.memberships for entry in entries.values()} == {("youtube/071", "youtube/054")}
    assert [entries[path].method for path in frames] == ["Deepfakes", "FaceSwap"]
    assert [entries[path].mask is None for path in frames] == [True, False]


def test_damaged_and_foreign_documents(tmp_path):
    (tmp_path / "train.json").write_text("[[")
    (tmp_path / "test.json").write_text('{"a": 1}')
    (tmp_path / "notes.json").write_text("{}")
    entries = read(tmp_path, f"{REAL}/001.mp4", f"{REAL}/name.mp4")
    reasons = {path: entry.refused.reason.value for path, entry in entries.items() if entry.refused}
    assert reasons == {
        "train.json": "unreadable",
        "test.json": "unlabelled",
        "notes.json": "unlabelled",
        f"{REAL}/name.mp4": "unlabelled",
    }


def test_another_source(tmp_path):
    with pytest.raises(UserError, match="no media in original_sequences or manipulated_sequences"):
        read(tmp_path, "Real/1.mp4")
