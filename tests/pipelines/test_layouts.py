"""Training end to end on replicas of published layouts in which every medium shows rendered faces."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from deepfake_pipeline.media.images import RGBImage, resize
from deepfake_pipeline.media.index import index_source
from deepfake_pipeline.media.index_params import IndexParams
from deepfake_pipeline.media.render import RenderParams, render_face
from deepfake_pipeline.media.sources import MediaSource
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.models.store import load_network
from deepfake_pipeline.tables import ParquetTable
from deepfake_pipeline.tables.splits import SPLITS, Split, deal
from tests.media.clips import write_video
from tests.media.layouts import replicas
from tests.media.pictures import encoded
from tests.pipelines.conftest import TINY, Project

SHARES: dict[Split, float] = {"train": 0.4, "validation": 0.2, "calibration": 0.2, "test": 0.2}
PEOPLE, SIDE = 12, 128
TINT = np.array([0.85, 1.0, 0.85])  # of what is forged
SCALE = 8  # of the boxes of OpenForensics, which its replica makes small


@cache
def portrait(number: int) -> RGBImage:
    return np.asarray(
        render_face(number % PEOPLE, number, RenderParams(size=SIDE, yaw=8, pitch=4, roll=4)).image, np.uint8
    )


class FacedReplica(replicas.Replica):
    """Writes media that show a rendered face; a forged one is tinted."""

    def add(self, path: str, truth: replicas.Truth) -> None:
        self.written += 1
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        face = portrait(self.written).copy()
        face[self.written % SIDE, 0] = self.written % 251  # no two files have the same bytes
        if truth.label:
            face = np.asarray(face * TINT, np.uint8)
        if path.endswith(".mp4"):
            framed = cv2.copyMakeBorder(face, 16, 16, 16, 16, cv2.BORDER_CONSTANT, value=[128] * 3)
            write_video(file, [np.asarray(framed, np.uint8)] * 2, codec="mpeg4", qmin="1", qmax="2")
        else:
            file.write_bytes(encoded(face, "JPEG"))
        self.files[path] = truth


def enlarge(root: Path) -> None:
    """Images of OpenForensics with a rendered face in each of the boxes."""
    for document in root.glob("*_poly.json"):
        content: dict[str, Any] = json.loads(document.read_text())
        scenes = {image["id"]: np.full((48 * SCALE, 40 * SCALE, 3), 128, np.uint8) for image in content["images"]}
        for one in content["annotations"]:
            one["bbox"] = [SCALE * side for side in one["bbox"]]
            x, y, w, h = (int(side) for side in one["bbox"])
            place = scenes[one["image_id"]][y : y + h, x : x + w]
            face = resize(portrait(one["id"]), h, w)[: place.shape[0], : place.shape[1]]
            place[:] = face * TINT if one["category_id"] else face
        for image in content["images"]:
            for file in root.rglob(Path(image["file_name"]).name):
                if file.stat().st_size > 1000:  # neither emptied nor cut
                    file.write_bytes(encoded(scenes[image["id"]], "JPEG"))
        document.write_text(json.dumps(content))


def salt_for(root: Path, layout: str) -> str:
    """A salt with which every split has both classes."""
    result = index_source(MediaSource(root, []), DatasetStudy(layout=layout), IndexParams())
    rows = [row for batch in result.manifest for row in batch.to_pylist()]
    assert len({row["group"] for row in rows}) >= 12
    for number in range(100):
        dealt = deal({row["sample_id"]: row["memberships"] for row in rows}, SHARES, str(number))
        found = {
            (dealt.splits.get(row["sample_id"]), label)
            for row in rows
            for label in ([face["label"] for face in row["given_faces"]] if row["given_faces"] else [row["label"]])
        }
        if {(split, label) for split in SPLITS for label in (0, 1)} <= found:
            return str(number)
    raise AssertionError("no salt")


@pytest.mark.parametrize(
    "layout",
    [
        "faceforensics",
        pytest.param("openforensics", marks=pytest.mark.long),
        pytest.param("celeb_df", marks=pytest.mark.long),
        pytest.param("dfdc", marks=pytest.mark.long),
    ],
)
def test_a_detector_is_trained(
    make_project: Callable[[], Project], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    monkeypatch.setattr(replicas, "Replica", FacedReplica)
    root = tmp_path / "source"
    root.mkdir()
    replica = replicas.REPLICAS[layout](root, random.Random(f"{layout} 3"))
    if layout == "openforensics":
        enlarge(root)
    selection = {"min_sharpness": 0, "max_motion_blur": 1, "min_light_uniformity": 0, "max_yaw": 90}
    params = {
        "compute": TINY["compute"],
        "study": {"uri": str(root), "height": 64, "width": 64},
        "ingestion": {"split_policy": "hash", "split_shares": SHARES, "split_salt": salt_for(root, layout)},
        "face_extraction": {"min_score": 0.5, "selection": selection},
        "detector_training": TINY["detector_training"],
    }
    project = make_project()
    project.run("ingestion", "face_extraction", "packing", "detector_training", env=layout, params=params)
    data = project.root / "data" / layout
    manifest = ParquetTable(data / "02_intermediate/manifest").read()
    assert set(manifest.path) <= set(replica.files)
    refused = ParquetTable(data / "02_intermediate/rejected_files").read()
    assert dict(zip(refused.path, refused.reason, strict=True)).items() >= replica.refused.items()
    faces = ParquetTable(data / "03_primary/faces").read(["sample_id", "label", "split"]).dropna()
    assert len(set(faces.sample_id)) >= 0.9 * len(manifest)
    assert set(zip(faces.split, faces.label.astype(int), strict=True)) == {(s, c) for s in SPLITS for c in (0, 1)}
    assert json.loads((data / "08_reporting/split_certificate.json").read_text())["holds"]
    assert load_network((data / "06_models/detector.safetensors").read_bytes()) is not None
