import random

from deepfake_pipeline.media.index import index_source
from deepfake_pipeline.media.index_params import IndexParams
from deepfake_pipeline.media.inspection import as_lines, inspect_source
from deepfake_pipeline.media.leaks import split_leaks
from deepfake_pipeline.media.sources import MediaSource
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.tables import RecordStream
from deepfake_pipeline.tables.schemas import MANIFEST
from tests.media.layouts.replicas import celeb_df, openforensics
from tests.media.videos import write_video


def leaky(root):
    """An identity that is swapped in train and in test, and one that is not."""
    for number, name in enumerate(("Celeb-real/id0_0", "Celeb-synthesis/id0_id1_0", "Celeb-real/id2_0")):
        write_video(root / f"{name}.mp4", number)
    (root / "List_of_testing_videos.txt").write_text("1 Celeb-real/id0_0.mp4\n")


def test_official_splits_are_followed_and_what_they_leak_is_named(tmp_path):
    leaky(tmp_path)
    params = IndexParams(split_policy="official", carved_share=0.01)
    result = index_source(MediaSource(tmp_path, []), DatasetStudy(layout="celeb_df"), params)
    assert split_leaks(result.manifest) == [("id0", {"train": 1, "test": 1})]
    hashed = index_source(MediaSource(tmp_path, []), DatasetStudy(layout="celeb_df"), IndexParams())
    assert split_leaks(hashed.manifest) == []


def test_an_empty_manifest_leaks_nothing():
    assert split_leaks(RecordStream.of_rows(MANIFEST, [])) == []


def test_an_inspection_counts_what_an_index_holds(tmp_path):
    replica = celeb_df(tmp_path, random.Random(1))
    study = DatasetStudy(layout="auto", uri=str(tmp_path))
    before = sorted(tmp_path.rglob("*"))
    found = inspect_source(study, IndexParams(split_policy="official"))
    labels = [truth.label for truth in replica.files.values()]
    assert (found.layout, found.files) == ("celeb_df", len(replica.files))
    assert found.labels == {"real": labels.count(0), "forged": labels.count(1)}
    assert found.methods == {"Celeb-synthesis": labels.count(1)}
    assert {row["path"]: row["reason"] for row in found.refused} == replica.refused
    assert sum(found.splits["test"].values()) == [truth.split for truth in replica.files.values()].count("test")
    assert sorted(tmp_path.rglob("*")) == before
    lines = "\n".join(as_lines(found, most_refused=1))
    assert f"labels: real {labels.count(0)}, forged {labels.count(1)}" in lines
    assert f"… and {len(replica.refused) - 1} more" in lines and found.why in lines


def test_annotated_faces_are_counted(tmp_path):
    replica = openforensics(tmp_path, random.Random(1))
    found = inspect_source(DatasetStudy(layout="auto", uri=str(tmp_path)), IndexParams())
    faces = [label for truth in replica.files.values() for label in (truth.faces or {}).values()]
    assert found.given_faces == {"real": faces.count(0), "forged": faces.count(1)}
