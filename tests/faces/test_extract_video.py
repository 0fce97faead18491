"""Extraction from videos: who is followed, what is kept, what is refused, and images left as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepfake_pipeline.faces import FaceParams
from deepfake_pipeline.faces.detect import MtcnnDetector
from deepfake_pipeline.faces.extract import FaceExtractor, extract_faces
from deepfake_pipeline.faces.select import SelectionParams
from deepfake_pipeline.media.images import ImageLimits, encode_image
from deepfake_pipeline.media.render.faces import RenderedFace
from deepfake_pipeline.media.sampling import VideoSampling, spread
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.tables import ParquetTable, RecordStream
from deepfake_pipeline.tables.schemas import MANIFEST
from deepfake_pipeline.tables.stream import write_shards
from tests.faces.films import film

_STUDY = DatasetStudy(height=64, width=64)
_ALL = SelectionParams(
    min_sharpness=0, max_motion_blur=1, min_brightness=0, min_light_uniformity=0, max_yaw=90, per_track=100
)


def _row(number: int, path: str) -> dict[str, Any]:
    return {
        "sample_id": f"{number:016x}",
        "path": path,
        "label": 1,
        "group": "g",
        "split": "test",
        "method": "swap",
        "source": "made-up",
        "kind": "video" if path.endswith(".mp4") else "image",
    }


def _extracted(root: Path, paths: list[str], params: FaceParams, detector: Any, study: DatasetStudy = _STUDY) -> Any:
    rows = [_row(number, path) for number, path in enumerate(paths)]
    result = FaceExtractor(root, study, params, ImageLimits(), detector)(rows)
    return result.faces.to_pylist(), result.rejected.to_pylist()


@pytest.fixture(scope="module")
def two_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``film.mp4``: 12 frames of two people, and nobody in frame 5."""
    folder = tmp_path_factory.mktemp("films")
    film(folder / "film.mp4", empty=(5,))
    return folder


def test_people_are_followed_and_frames_keep_their_numbers_and_times(two_people: Path, detector: MtcnnDetector) -> None:
    params = FaceParams(video=VideoSampling(count=6), selection=_ALL)
    faces, rejected = _extracted(two_people, ["film.mp4"], params, detector)
    numbers = [number for number in spread(12, 6) if number != 5]
    assert len(numbers) == 5
    assert [(row["frame"], row["face"], row["track"]) for row in faces] == [(n, f, f) for n in numbers for f in (0, 1)]
    assert [row["seconds"] for row in faces] == [pytest.approx(row["frame"] / 25) for row in faces]
    assert [row["face_id"] for row in faces] == [f"{0:016x}-{n:06d}-{f:02d}" for n in numbers for f in (0, 1)]
    assert {(row["label"], row["method"], row["group"]) for row in faces} == {(1, "swap", "g")}
    assert [(row["frame"], row["face"], row["reason"]) for row in rejected] == [(5, None, "no_face")]


def test_the_best_faces_of_each_person_are_kept(two_people: Path, detector: MtcnnDetector) -> None:
    params = FaceParams(selection=_ALL.model_copy(update={"per_track": 2}))
    faces, _ = _extracted(two_people, ["film.mp4"], params, detector)
    assert sorted(row["track"] for row in faces) == [0, 0, 1, 1]
    everything, _ = _extracted(two_people, ["film.mp4"], FaceParams(selection=_ALL), detector)
    assert all(row in everything for row in faces)


def test_faces_that_are_not_good_enough_are_refused_one_by_one(two_people: Path, detector: MtcnnDetector) -> None:
    strict = _ALL.model_copy(update={"min_brightness": 1.0})
    faces, rejected = _extracted(two_people, ["film.mp4"], FaceParams(selection=strict), detector)
    assert faces == []
    dark = [(row["frame"], row["face"]) for row in rejected if row["reason"] == "dark"]
    assert dark == [(n, f) for n in spread(12, 8) if n != 5 for f in (0, 1)]
    assert sorted({row["reason"] for row in rejected}) in (["dark"], ["dark", "no_face"])


def test_images_are_selected_only_where_asked(
    tmp_path: Path, detector: MtcnnDetector, rendered: list[RenderedFace]
) -> None:
    (tmp_path / "a.png").write_bytes(encode_image(rendered[0].image, "png"))
    strict = _ALL.model_copy(update={"min_brightness": 1.0})
    (row,), rejected = _extracted(tmp_path, ["a.png"], FaceParams(selection=strict), detector)
    assert (row["seconds"], row["track"], rejected) == (None, None, [])
    asked = FaceParams(selection=strict.model_copy(update={"images": True}))
    faces, rejected = _extracted(tmp_path, ["a.png"], asked, detector)
    assert (faces, [(row["reason"], row["face"]) for row in rejected]) == ([], [("dark", 0)])


def test_a_cut_off_video_gives_what_decodes_and_says_so_once(tmp_path: Path, detector: MtcnnDetector) -> None:
    data = film(tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: int(0.7 * len(data))])
    (tmp_path / "empty.mp4").touch()
    params = FaceParams(selection=_ALL, video=VideoSampling(count=100))
    whole, none = _extracted(tmp_path, ["whole.mp4"], params, detector)
    assert none == []
    faces, rejected = _extracted(tmp_path, ["cut.mp4", "empty.mp4", "gone.mp4"], params, detector)
    assert 0 < len(faces) < len(whole)
    assert [row["crop"] for row in faces] == [row["crop"] for row in whole[: len(faces)]]
    assert [(row["path"], row["reason"], row["face"]) for row in rejected] == [
        ("cut.mp4", "unreadable", None),
        ("empty.mp4", "empty", None),
        ("gone.mp4", "missing", None),
    ]


def test_videos_that_are_not_searched_give_their_frames(two_people: Path, detector: MtcnnDetector) -> None:
    whole = DatasetStudy(height=64, width=64, crop="none")
    faces, rejected = _extracted(two_people, ["film.mp4"], FaceParams(), None, whole)
    assert [row["frame"] for row in faces] == spread(12, 8)
    assert {row["track"] for row in faces} == {None} and rejected == []
    given = FaceParams(given_crops=True, look_into_given_crops=False)
    faces, _ = _extracted(two_people, ["film.mp4"], given, None)
    assert {row["track"] for row in faces} == {0} and len(faces) == 8


def test_memory_holds_the_crops_of_the_best_alone(two_people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Giving up crops early changes nothing."""
    from deepfake_pipeline.faces import follow
    from tests.faces.test_extract import _Scripted

    params = FaceParams(selection=_ALL.model_copy(update={"per_track": 3}), video=VideoSampling(count=100))
    scripted = _Scripted((30, 20, 120, 130), (230, 20, 120, 130))
    late, _ = _extracted(two_people, ["film.mp4"], params, scripted)
    monkeypatch.setattr(follow, "_PENDING", 2)
    early, _ = _extracted(two_people, ["film.mp4"], params, scripted)
    assert early == late and all(row["crop"] for row in early)


def test_tables_of_images_and_videos_do_not_depend_on_the_number_of_workers(
    two_people: Path, tmp_path: Path, rendered: list[RenderedFace]
) -> None:
    paths = ["0.png", "film.mp4", "2.png", "gone.mp4", "4.png"]
    for number in (0, 2, 4):
        (two_people / f"{number}.png").write_bytes(encode_image(rendered[number].image, "png"))
    rest = {"sha256": "0", "width": 1, "height": 1, "bytes": 1, "phash": 0, "memberships": ["g"]}
    rows = [_row(number, path) | rest for number, path in enumerate(paths)]
    (tmp_path / "manifest").mkdir()
    write_shards(RecordStream.of_rows(MANIFEST, rows), tmp_path / "manifest")
    results = []
    for workers in (1, 2):
        streams = extract_faces(
            ParquetTable(tmp_path / "manifest"), two_people, _STUDY, FaceParams(selection=_ALL), workers=workers
        )
        results.append([[row for batch in stream for row in batch.to_pylist()] for stream in streams])
    assert results[0] == results[1]
    faces, rejected = results[0]
    ids = [row["face_id"] for row in faces]
    assert ids == sorted(ids) and {row["sample_id"][-1] for row in faces} == {"0", "1", "2", "4"}
    assert "missing" in [row["reason"] for row in rejected]
    np.testing.assert_array_equal([row["seconds"] is None for row in faces], [row["track"] is None for row in faces])
