"""Real faces, where there are any: ``DEEPFAKE_REAL_DATA`` names the folder that holds ``dfdc-faces.zip``."""

import os
from collections import Counter
from pathlib import Path

import pytest

from deepfake_pipeline.media.archives import ArchiveLimits
from deepfake_pipeline.media.classes import check_classes
from deepfake_pipeline.media.index import index_source
from deepfake_pipeline.media.index_params import IndexParams
from deepfake_pipeline.media.inspection import inspect_source
from deepfake_pipeline.media.sources import MediaSource, locate
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.tables import ParquetTable
from deepfake_pipeline.tables.stream import write_shards

FACES = Path(os.environ.get("DEEPFAKE_REAL_DATA", "")) / "dfdc-faces.zip"


@pytest.mark.real
@pytest.mark.skipif(not FACES.is_file(), reason="DEEPFAKE_REAL_DATA names no folder with dfdc-faces.zip")
def test_dfdc_faces(tmp_path):
    study = DatasetStudy(name="dfdc_faces", layout="manifest", uri=str(FACES))
    for folder in ("media", "manifest"):
        (tmp_path / folder).mkdir()
    rejected = locate(study, tmp_path / "scratch", ArchiveLimits()).write_into(tmp_path / "media")
    assert rejected == []

    result = index_source(MediaSource(tmp_path / "media", rejected), study, IndexParams(), workers=2)
    write_shards(result.manifest, tmp_path / "manifest")
    table = ParquetTable(tmp_path / "manifest")
    manifest = table.read()
    refused = Counter(row["reason"] for batch in result.rejected for row in batch.to_pylist())
    assert len(manifest) + refused.total() == 14_000
    assert set(refused) <= {"duplicate"} and refused["duplicate"] < 50

    sizes = manifest.groupby("group").size()
    assert (sizes <= 4).all() and (manifest.groupby("group")["split"].nunique() == 1).all()
    counts = check_classes(table)
    for split, share in (("train", 0.6), ("validation", 0.1), ("calibration", 0.1), ("test", 0.2)):
        assert abs(sum(counts[split].values()) / len(manifest) - share) < 0.02

    pairs = [row for batch in result.near_duplicates for row in batch.to_pylist()]
    assert 0 < len(pairs) < 500 and all(row["split_a"] != row["split_b"] for row in pairs)


@pytest.mark.real
def test_copies_of_published_datasets(real_data):
    """Labels and groups of all that is there; ``real`` and quick: a frame of each video is decoded."""
    expected = {
        "celeb-df-mini": ("celeb_df", [3, 3], 3, {}),
        "ffpp-mini": ("faceforensics", [2, 2], 2, {}),
        "dfdc-mini": ("dfdc", [0, 1], 1, {"missing": 1}),
    }
    for folder, (layout, counts, groups, refused) in expected.items():
        found = inspect_source(DatasetStudy(layout="auto", uri=str(real_data / folder)), IndexParams())
        assert found.layout == layout and found.kinds == {"video": sum(counts)}
        assert [found.labels.get(name, 0) for name in ("real", "forged")] == counts
        assert found.groups["count"] == groups and found.reasons == refused
