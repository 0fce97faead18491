"""Small real copies of published datasets, judged by a given release: one command each."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deepfake_pipeline.tables import ParquetTable
from deepfake_pipeline.tables.errors import UserError
from tests.pipelines.conftest import Project


@pytest.mark.real
@pytest.mark.parametrize(
    ("env", "folder", "labels", "missing"),
    [
        ("celeb_df", "celeb-df-mini", [3, 3], 0),
        ("faceforensics", "ffpp-mini", [2, 2], 0),
        ("dfdc", "dfdc-mini", [0, 1], 1),
    ],
)
def test_every_file_is_test_and_has_a_score(
    make_project: Callable[[], Project], real_data: Path, env: str, folder: str, labels: list[int], missing: int
) -> None:
    project = make_project()
    study = {"study": {"uri": str(real_data / folder)}, "compute": {"threads": 1, "workers": 1, "accelerator": "cpu"}}
    judged = {**study, "ingestion": {"split_policy": "test"}}
    project.run("ingestion", "face_extraction", "scoring", env=env, params=judged)
    data = project.root / "data" / env
    manifest = ParquetTable(data / "02_intermediate/manifest").read()
    assert set(manifest.split) == {"test"}
    assert [int((manifest.label == label).sum()) for label in (0, 1)] == labels
    assert ParquetTable(data / "02_intermediate/rejected_files").count() == missing
    scores = ParquetTable(data / "07_model_output/scores").read()
    files = scores[scores.level == "file"]
    assert sorted(files.path) == sorted(manifest.path)
    assert files.fake_probability.between(0, 1).all() and set(files.verdict) <= {"real", "fake", "unsure"}
    with pytest.raises(UserError, match=r"split [a-z]+ has no (real|forged) files|holds no real files"):
        project.run(env=env, params=study)
