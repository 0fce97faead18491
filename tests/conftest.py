"""What all tests share: one thread, no network, small packed faces."""

from __future__ import annotations

import os
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import cv2
import hypothesis
import numpy as np
import pytest
import torch

from deepfake_pipeline.tables.packed import PackedBatch, PackedFaces, PackedStream, open_packed, write_packed

hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.register_profile("searching")
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

torch.set_num_threads(1)
cv2.setNumThreads(1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave long tests to those who ask for them by ``-m long``."""
    if "long" not in config.option.markexpr:
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="long: run it with -m long"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real data kept outside the repository, named by DEEPFAKE_REAL_DATA."""
    folder = Path(os.environ.get("DEEPFAKE_REAL_DATA", "does-not-exist"))
    if not folder.is_dir():
        pytest.skip("DEEPFAKE_REAL_DATA names no folder of real data")
    return folder


def textured_faces(count: int, side: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Smooth noise with a fine checkerboard on the forged half: learnable in seconds. uint8 (N, H, W, 3), (N,)."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 2).astype(np.int8)
    images = np.empty((count, side, side, 3), np.uint8)
    board = ((np.indices((side, side)).sum(0) % 2) * 36 - 18)[..., None]
    for row, label in enumerate(labels):
        coarse = rng.uniform(40, 215, (6, 6, 3)).astype(np.float32)
        smooth = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
        images[row] = np.clip(smooth + label * board + rng.normal(0, 3, smooth.shape), 0, 255)
    return images, labels


def packed(folder: Path, count: int = 64, side: int = 32, seed: int = 0) -> PackedFaces:
    """Packed textured faces, two a group."""
    images, labels = textured_faces(count, side, seed)
    names = [f"{seed:02d}{row:04d}" for row in range(count)]
    folder.mkdir(parents=True)
    batch = PackedBatch(images, labels, [f"g{row // 2}" for row in range(count)], names)
    write_packed(PackedStream(count, side, side, [batch]), folder)
    return open_packed(folder)
