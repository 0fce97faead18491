from pathlib import Path
from typing import Any

import pytest

from deepfake_pipeline.media.classes import check_classes
from deepfake_pipeline.tables import ParquetTable, RecordStream
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.schemas import MANIFEST
from deepfake_pipeline.tables.splits import SPLITS
from deepfake_pipeline.tables.stream import write_shards


class TestCheckClasses:
    def table(self, tmp_path: Path, counts: dict[tuple[str, int | None], int]) -> ParquetTable:
        def row(number: int, split: str, label: int | None) -> dict[str, Any]:
            text = dict.fromkeys(("sample_id", "path", "sha256", "group", "source"), str(number))
            return {
                **text,
                "label": label,
                "split": split,
                "width": 1,
                "height": 1,
                "bytes": 1,
                "phash": 1,
                "kind": "image",
                "memberships": ["g"],
            }

        listed = [key for key, count in counts.items() for _ in range(count)]
        write_shards(RecordStream.of_rows(MANIFEST, (row(n, *key) for n, key in enumerate(listed))), tmp_path)
        return ParquetTable(tmp_path)

    def test_counts(self, tmp_path):
        full = {(split, label): 2 + label for split in SPLITS for label in (0, 1)}
        assert check_classes(self.table(tmp_path, full)) == {split: {"real": 2, "forged": 3} for split in SPLITS}

    def test_a_split_lacks_a_class(self, tmp_path):
        counts = {(split, label): 2 for split in SPLITS for label in (0, 1)} | {("calibration", 1): 0}
        with pytest.raises(
            UserError, match=r"split calibration has no forged files \(2 real, 0 forged\): add data, or"
        ):
            check_classes(self.table(tmp_path, counts))

    def test_one_class_only(self, tmp_path):
        with pytest.raises(UserError, match=r"holds no forged files \(of 4\)"):
            check_classes(self.table(tmp_path, dict.fromkeys([(split, 0) for split in SPLITS], 1)))

    def test_no_file_at_all(self, tmp_path):
        with pytest.raises(UserError, match=r"no real files \(of 0\)"):
            check_classes(self.table(tmp_path, {}))
