import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from deepfake_pipeline.scoring.cross import cross_dataset, lines
from deepfake_pipeline.tables.packed import PackedFaces
from tests.scoring.test_gate import GOOD, POOR, release


def planted(seed: int, count: int = 120) -> PackedFaces:
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 2).astype(np.int8)
    images = np.zeros((count, 16, 16, 3), np.uint8)
    for channel, share in ((GOOD, 0.6), (POOR, 0.2)):
        scores = share * labels + (1 - share) * rng.random(count)
        images[..., channel] = (scores * 255).astype(np.uint8)[:, None, None]
    groups = np.array([f"g{row // 2}".encode() for row in range(count)])
    return PackedFaces(images, labels, groups, np.array([f"{row:04d}".encode() for row in range(count)]))


def test_every_release_judges_every_set() -> None:
    tests = {"a": planted(0), "b": planted(1)}
    found = cross_dataset({"x": release("x", GOOD), "y": release("y", POOR)}, tests, "cpu", resamples=200)
    for name, channel in (("x", GOOD), ("y", POOR)):
        for source, faces in tests.items():
            cell = found[name][source]
            assert cell.value == pytest.approx(roc_auc_score(faces.labels, faces.images[:, 0, 0, channel]))
            assert cell.low <= cell.value <= cell.high
    heading, *rows = lines(found)
    assert heading.split() == ["trained", "on", "a", "b"]
    assert [row.split()[0] for row in rows] == ["x", "y"]
    assert f"{found['y']['b'].value:.3f}" in rows[1]
