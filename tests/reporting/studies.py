"""Scores of a study whose truth is known: AUROC follows from how far two normal distributions lie apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.stats import norm

from deepfake_pipeline.tables import ParquetTable, RecordStream
from deepfake_pipeline.tables.schemas import STUDY_SCORES
from deepfake_pipeline.tables.stream import write_shards

GROUPS = 300
CONDITIONS = [("clean", 0), ("jpeg", 1), ("jpeg", 5), ("shadow", 3)]
SHIFT = {0: 2.5, 1: 1.6, 3: 1.2, 5: 0.8}


def true_auroc(shift: float) -> float:
    """AUROC of two normal distributions of variance 1 whose means lie ``shift`` apart."""
    return float(norm.cdf(shift / np.sqrt(2)))


def planted(
    folder: Path,
    gains: dict[str, float],
    *,
    control: float = 0.0,
    groups: int = GROUPS,
    trainings: tuple[str, ...] = ("plain", "control"),
    slow: int = 0,
    detectors: tuple[str, ...] = ("cnn3",),
) -> ParquetTable:
    """A table in which a repair moves the classes apart by its gain, and training with degradations by ``control``.

    Args:
        folder: that does not exist yet.
        gains: by repair; on clean faces no repair does anything.
        control: what training with degradations adds to the distance, on degraded faces.
        groups: of one real and one forged face each.
        trainings: of the detectors.
        slow: if not 0, the groups that ``best_classical`` was done to at severity 5.
        detectors: names.
    """
    rng = np.random.default_rng(0)
    labels, names = np.tile([0, 1], groups), np.repeat([f"g{number:04d}" for number in range(groups)], 2)
    shared = 0.5 * np.repeat(rng.normal(size=groups), 2)
    frames = []
    for degradation, severity in CONDITIONS:
        for detector in detectors:
            for training in trainings:
                noise = shared + np.sqrt(0.75) * rng.normal(size=2 * groups)
                for repair, gain in {"none": 0.0, **gains}.items():
                    degraded = degradation != "clean"
                    shift = SHIFT[severity] + degraded * (gain + (training == "control") * control)
                    own = 0.2 * rng.normal(size=2 * groups) if repair != "none" and gain else 0.0
                    rows = {
                        "face_id": [f"f{number:05d}" for number in range(2 * groups)],
                        "group": names,
                        "label": labels,
                        "degradation": degradation,
                        "severity": severity,
                        "repair": repair,
                        "detector": detector,
                        "training": training,
                        "seed": 0,
                        "logit": shift * labels + noise + own,
                        "psnr": 30.0 + gain,
                    }
                    frame = pd.DataFrame(rows)
                    few = slow and repair == "best_classical" and severity == 5
                    frames.append(frame[: 2 * slow] if few else frame)
    table = pa.Table.from_pandas(pd.concat(frames), schema=STUDY_SCORES, preserve_index=False)
    folder.mkdir()
    write_shards(RecordStream(STUDY_SCORES, table.to_batches()), folder)
    return ParquetTable(folder)
