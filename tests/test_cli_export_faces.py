"""``kedro export-faces`` on a small face table in a project of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from deepfake_pipeline.cli import cli
from deepfake_pipeline.faces.geometry import CropGeometry
from deepfake_pipeline.faces.params import FaceParams
from deepfake_pipeline.media.images import encode_image
from deepfake_pipeline.tables.schemas import FACES, MANIFEST
from deepfake_pipeline.tables.stream import RecordStream, write_shards

ROOT = Path(__file__).parents[1]


class Project:
    """What Kedro hands to a command."""

    def __init__(self, path: Path) -> None:
        self.project_path = path

    def export(self, *arguments: object) -> Result:
        return CliRunner().invoke(cli, ["export-faces", *map(str, arguments)], obj=self)


def face(number: int, group: str, label: int) -> dict[str, Any]:
    crop = np.full((32, 32, 3), 40 * number, np.uint8)
    return {
        "face_id": f"{number:016d}-000000-00",
        "sample_id": f"{number:016d}",
        "label": label,
        "group": group,
        "split": "train",
        "source": "s",
        "frame": 0,
        "face": 0,
        **{"x": 4.0, "y": 5.0, "w": 20.0, "h": 22.0, "score": 0.9},
        "landmarks": [8.0, 10.0, 20.0, 10.0, 14.0, 16.0, 9.0, 20.0, 19.0, 20.0],
        **{"sharpness": 1.0, "brightness": 1.0, "light_uniformity": 1.0},
        "crop": encode_image(crop, "png"),
    }


def sample(number: int, group: str, label: int) -> dict[str, Any]:
    known = {"sample_id": f"{number:016d}", "path": f"{number}.png", "sha256": str(number), "label": label}
    rest = {"source": "s", "width": 32, "height": 32, "bytes": 1, "phash": 1, "kind": "image", "memberships": [group]}
    return {**known, **rest, "group": group, "split": "train"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    truth = [(1, "id0", 0), (2, "id0", 1), (3, "id1", 0)]
    for folder, schema, make in (("02_intermediate/manifest", MANIFEST, sample), ("03_primary/faces", FACES, face)):
        (tmp_path / "data" / "folders" / folder).mkdir(parents=True)
        write_shards(RecordStream.of_rows(schema, (make(*one) for one in truth)), tmp_path / "data/folders" / folder)
    geometry = CropGeometry(kind="aligned", height=32, width=32, faces=FaceParams())
    (tmp_path / "data/folders/03_primary/crop_geometry.json").write_text(geometry.to_json())
    return Project(tmp_path)


def test_folders_for_swapping(project: Project, tmp_path: Path) -> None:
    out = tmp_path / "swap"
    wanted = ("--src", "group=id0", "--src", "label=real", "--dst", "group=id1")
    result = project.export("--format", "swap", "--out", out, *wanted, "--env", "folders")
    assert result.exit_code == 0 and result.stdout.endswith("swap: 1 data_src, 1 data_dst\n")
    assert [file.name[:16] for file in (out / "data_src/aligned").iterdir()] == [f"{1:016d}"]
    (told,) = json.loads((out / "data_dst/metadata.json").read_text())["faces"]
    assert told["group"] == "id1" and len(told["landmarks_in_crop"]) == 10


def test_coco(project: Project, tmp_path: Path) -> None:
    out = tmp_path / "faces.json"
    result = project.export("--format", "coco", "--out", out, "--env", "folders")
    assert result.exit_code == 0 and "3 images, 3 annotations" in result.stdout
    assert [one["file_name"] for one in json.loads(out.read_text())["images"]] == ["1.png", "2.png", "3.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "swap", "--src", "group=id0"), "no faces are chosen"),
        (("--format", "swap", "--src", "age=3", "--dst", "group=id1"), "'age=3' chooses no faces: write column=value"),
        (("--format", "swap", "--src", "label=2", "--dst", "group=id1"), "a label is real or forged"),
        (("--format", "swap", "--src", "track=x", "--dst", "group=id1"), "a track is a number"),
        (("--format", "swap", "--src", "group=no", "--dst", "group=id1"), "no face is chosen for data_src"),
        (("--format", "coco", "--src", "group=id0"), "--src and --dst are of --format swap"),
    ],
)
def test_mistakes_get_one_line(project: Project, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    result = project.export(*arguments, "--out", tmp_path / "new", "--env", "folders")
    assert result.exit_code == 1 and message in result.stderr and len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "new").exists()


def test_before_any_run(project: Project, tmp_path: Path) -> None:
    result = project.export("--format", "coco", "--out", tmp_path / "a.json", "--env", "dfdc")
    assert result.exit_code == 1
    assert "no faces yet: run `kedro run --env dfdc --pipelines ingestion,face_extraction` first" in result.stderr
    assert "no overlay conf/nothing" in project.export("--format", "coco", "--out", "x", "--env", "nothing").stderr


def test_help_says_what_columns_there_are() -> None:
    text = CliRunner().invoke(cli, ["export-faces", "--help"]).stdout
    assert "data_src" in text and "label (real or forged)" in text
