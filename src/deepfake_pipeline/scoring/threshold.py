"""The threshold of a verdict, chosen on calibration faces."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake_pipeline.metrics.classification import roc_curve
from deepfake_pipeline.metrics.detection import detection_metrics
from deepfake_pipeline.models import Detector
from deepfake_pipeline.models.run import DetectorRunner
from deepfake_pipeline.tables.packed import PackedFaces


def balanced_threshold(labels: NDArray[np.int8], fake_probability: NDArray[np.float32]) -> float:
    """Threshold with the best balanced accuracy (Youden's J, 1950), midway to the next lower score.

    Args:
        labels: ``(N,)``, 1 = forged; both classes must be there.
        fake_probability: ``(N,)`` in [0, 1].
    """
    curve = roc_curve(labels, fake_probability)
    best = int(np.argmax(curve.tpr - curve.fpr))
    at = min(float(curve.thresholds[best]), 1.0)
    below = fake_probability[fake_probability < at]
    return (at + float(below.max())) / 2 if len(below) else at


def choose_operating_point(detector: Detector, faces: PackedFaces, accelerator: str) -> dict[str, Any]:
    """Threshold of a detector, and what it gives on the calibration faces that chose it."""
    runner = DetectorRunner(detector, accelerator)
    probability = np.concatenate(
        [runner.fake_probability(faces.images[at : at + 256]) for at in range(0, len(faces), 256)]
    )
    threshold = balanced_threshold(faces.labels, probability)
    figures = detection_metrics(faces.labels, probability, threshold=threshold)
    return {
        "rule": "best balanced accuracy on calibration faces",
        "threshold": threshold,
        "calibration_faces": len(faces),
        "calibration": {name: float(figures[name]) for name in ("balanced_accuracy", "auroc", "precision", "recall")},
    }
