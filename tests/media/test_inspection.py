"""What a look at a source says of its videos."""

from pathlib import Path

from deepfake_pipeline.media.index_params import IndexParams
from deepfake_pipeline.media.inspection import as_lines, inspect_source
from deepfake_pipeline.media.study import DatasetStudy
from tests.media.clips import counted, write_video
from tests.media.pictures import write_picture


def test_sound_is_told(tmp_path: Path) -> None:
    write_picture(tmp_path / "Real/0.png", 0)
    study = DatasetStudy(layout="folders", uri=str(tmp_path))
    assert not any("sound" in line for line in as_lines(inspect_source(study, IndexParams())))
    (tmp_path / "Fake").mkdir()
    write_video(tmp_path / "Real/1.mp4", [counted(1)] * 3, sound=True)
    write_video(tmp_path / "Fake/2.mp4", [counted(2)] * 3)
    found = inspect_source(study, IndexParams())
    assert found.audio == {"aac": 1, "none": 1} and found.to_dict()["audio"] == found.audio
    assert "sound of the videos, left aside: aac 1, none 1" in list(as_lines(found))
