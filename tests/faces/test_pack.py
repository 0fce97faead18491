"""What stops a run before it would train on nothing."""

from pathlib import Path
from typing import Any

import pytest

from deepfake_pipeline.faces.pack import check_faces
from deepfake_pipeline.tables import ParquetTable
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.schemas import FACES
from deepfake_pipeline.tables.splits import SPLITS
from deepfake_pipeline.tables.stream import RecordStream, write_shards


def faces(folder: Path, known: list[tuple[str, int | None]]) -> ParquetTable:
    rest: dict[str, Any] = {"group": "g", "source": "s", "frame": 0, "face": 0, "sharpness": 1.0, "brightness": 1.0}
    rows = [
        {
            **rest,
            "face_id": str(n),
            "sample_id": str(n),
            "light_uniformity": 1.0,
            "crop": b"",
            "split": split,
            "label": label,
        }
        for n, (split, label) in enumerate(known)
    ]
    write_shards(RecordStream.of_rows(FACES, rows), folder)
    return ParquetTable(folder)


def test_every_split_needs_faces_of_both_classes(tmp_path: Path) -> None:
    whole = [(split, label) for split in SPLITS for label in (0, 1)]
    for name in ("whole", "lacking", "unknown"):
        (tmp_path / name).mkdir()
    check_faces(faces(tmp_path / "whole", whole))
    with pytest.raises(UserError, match=r"split calibration has no real faces \(0 real, 1 forged\)"):
        check_faces(faces(tmp_path / "lacking", [one for one in whole if one != ("calibration", 0)]))
    unknown = [(split, None if split == "test" else label) for split, label in whole]
    with pytest.raises(UserError, match=r"split test has no real faces \(0 real, 0 forged\)"):
        check_faces(faces(tmp_path / "unknown", unknown))
