"""``kedro cross-dataset`` as a user calls it."""

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from sklearn.metrics import roc_auc_score

from deepfake_pipeline.cli import cli
from deepfake_pipeline.faces.geometry import CropGeometry
from deepfake_pipeline.faces.params import FaceParams
from deepfake_pipeline.models.inputs import to_network
from deepfake_pipeline.models.store import build_network
from deepfake_pipeline.scoring.release import Release, write_release
from tests.scoring.test_cross import planted

SEEDS = {"sharp": 0, "dull": 1}


def detector(seed):
    torch.manual_seed(seed)
    return build_network("resnet_small", {"image_size": 16}).eval()


def finished_run(root, name):
    """What the command reads of a run."""
    seed = SEEDS[name]
    geometry = CropGeometry(kind="given", height=16, width=16, faces=FaceParams())
    candidate = Release(name, detector(seed), geometry, 0.5, build_network("nafnet", {}), {"trained_on": name})
    folder = root / "06_models" / "candidate"
    folder.mkdir(parents=True)
    write_release(candidate, folder)
    faces = planted(seed)
    packed = root / "05_model_input" / "test"
    packed.mkdir(parents=True)
    for array in ("images", "labels", "groups", "face_ids"):
        np.save(packed / f"{array}.npy", getattr(faces, array))
    return root


@pytest.fixture
def roots(tmp_path):
    return finished_run(tmp_path / "a", "sharp"), finished_run(tmp_path / "b", "dull")


def cross_dataset(*arguments):
    return CliRunner().invoke(cli, ["cross-dataset", *map(str, arguments), "--accelerator", "cpu"])


def test_every_run_judges_the_faces_of_every_run(roots, tmp_path):
    result = cross_dataset(*roots, "--figure", tmp_path / "matrix.png")
    assert result.exit_code == 0, result.output
    heading, *rows = result.output.splitlines()
    assert heading.split() == ["trained", "on", "sharp", "dull"]
    assert [row.split()[0] for row in rows] == ["sharp", "dull"]
    for row, trained in zip(rows, SEEDS.values(), strict=True):
        for place, tested in zip((1, 5), SEEDS.values(), strict=True):  # a cell is "value (low to high)"
            faces = planted(tested)
            with torch.no_grad():
                logit = detector(trained)(to_network(torch.from_numpy(faces.images), 16)).logit
            assert float(row.split()[place]) == pytest.approx(roc_auc_score(faces.labels, logit), abs=0.02)
    assert cv2.imread(str(tmp_path / "matrix.png")) is not None


def test_two_runs_of_one_data_set_are_refused_in_one_line(roots):
    result = cross_dataset(roots[0], roots[0])
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f"error: {roots[0]}: a run of 'sharp' was given before; give one run of each data set"
    ]


def test_a_folder_without_a_run_is_named(tmp_path):
    result = cross_dataset(tmp_path)
    assert result.exit_code == 1
    assert result.output.startswith(f"error: no release at {tmp_path}")
