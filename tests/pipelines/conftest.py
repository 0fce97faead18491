"""A project of its own for the tests of whole pipelines: this configuration, a tiny rendered set, its own data."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

ROOT = Path(__file__).parents[2]

TINY: dict[str, Any] = {
    "compute": {"threads": 1, "workers": 1, "accelerator": "cpu"},
    "study": {"height": 64, "width": 64},
    "ingestion": {
        "rendered": {"identities": 12, "images_per_identity": 2, "size": 96},
        "split_shares": {"train": 0.4, "validation": 0.2, "calibration": 0.2, "test": 0.2},
        "split_salt": "tiny 17",
    },
    "degradation": {"severities": [2, 4], "validation_faces": 4, "test_faces": 8},
    "enhancer_training": {"training": {"max_epochs": 1, "batch_size": 8, "patch": 32, "precision": "float32"}},
    "restoration": {
        "training": {"max_epochs": 1, "epoch_faces": 16, "batch_size": 8, "precision": "float32"},
        "network_config": {"widths": [8, 16]},
        "left_out": ["non_local_means", "wavelet", "jpeg_deblocking", "clahe", "richardson_lucy"],
        "validation_faces": 2,
        "test_faces": 3,
        "survey_faces": 1,
        "resamples": 100,
    },
    "detector_training": {
        "network": "meso4",
        "network_config": {"image_size": 64},
        "training": {"max_epochs": 2, "batch_size": 8, "precision": "float32"},
    },
    "evaluation": {"resamples": 100, "sheet_faces": 2},
    "enhancement_study": {
        "detectors": ["cnn3"],
        "network_config": {"cnn3": {"image_size": 32}},
        "training": {"max_epochs": 1, "batch_size": 8, "precision": "float32"},
        "joint_training": {"max_epochs": 1, "epoch_faces": 8, "batch_size": 4, "precision": "float32"},
        "degradations": ["gaussian_blur", "jpeg"],
        "severities": [2, 4],
        "faces": 6,
        "choice_faces": 2,
        "resamples": 100,
    },
}


class Project:
    """A folder with this project's configuration in which pipelines run."""

    def __init__(self, root: Path, like: Project | None = None) -> None:
        self.root = root
        if like:
            shutil.copytree(like.root, root)
            return
        root.mkdir(parents=True)
        (root / "src").mkdir()
        for name in ("pyproject.toml", ".telemetry"):
            shutil.copy(ROOT / name, root)
        shutil.copytree(ROOT / "conf", root / "conf")
        self.overlay("tiny", TINY)

    def overlay(self, name: str, parameters: dict[str, Any]) -> None:
        """Write conf/<name>/parameters.yml."""
        folder = self.root / "conf" / name
        folder.mkdir(exist_ok=True)
        (folder / "parameters.yml").write_text(yaml.safe_dump(parameters))

    def parameters(self, name: str) -> dict[str, Any]:
        """What conf/<name>/parameters.yml says."""
        given: dict[str, Any] = yaml.safe_load((self.root / "conf" / name / "parameters.yml").read_text())
        return given

    def run(self, *pipelines: str, params: dict[str, Any] | None = None, env: str = "tiny", **options: Any) -> None:
        """The same as ``kedro run``, in this process."""
        bootstrap_project(self.root)
        with KedroSession.create(project_path=self.root, env=env, runtime_params=params) as session:
            session.run(pipeline_names=list(pipelines) or None, **options)

    def bytes_of_outputs(self) -> dict[str, bytes]:
        """Every file under data/; checkpoints and what Kedro calls by the hour aside."""
        data = self.root / "data"
        return {
            path.relative_to(data).as_posix(): path.read_bytes()
            for path in sorted(data.rglob("*"))
            if path.is_file() and not {".checkpoints", "evaluation_record.json"} & set(path.relative_to(data).parts)
        }


@pytest.fixture(scope="session", autouse=True)
def tracking(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One tracking store for all runs of the tests: making one takes seconds."""
    folder = tmp_path_factory.mktemp("mlflow")
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
    mlflow.create_experiment("deepfake_pipeline", artifact_location=(folder / "artifacts").as_uri())


@pytest.fixture(scope="session")
def make_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Project]:
    """New projects without data."""
    return lambda: Project(tmp_path_factory.mktemp("project") / "project")


@pytest.fixture(scope="session")
def finished(make_project: Callable[[], Project]) -> Project:
    """A project in which the default pipeline has run on the tiny set."""
    project = make_project()
    project.run()
    return project
