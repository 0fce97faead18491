"""What both calibrations share: the faces of the two splits, judged."""

from __future__ import annotations

from deepfake_pipeline.degrade.params import DegradationParams
from deepfake_pipeline.faces.sample import face_sizes
from deepfake_pipeline.models import Detector
from deepfake_pipeline.pipelines.compute import ComputeParams
from deepfake_pipeline.restore.router import Router
from deepfake_pipeline.scoring.params import VerdictParams
from deepfake_pipeline.scoring.threshold import CalibrationFaces, judge_calibration_faces
from deepfake_pipeline.tables import Table
from deepfake_pipeline.tables.packed import PackedFaces


def judged_splits(
    detector: Detector,
    validation_faces: PackedFaces,
    calibration_faces: PackedFaces,
    faces: Table,
    params: VerdictParams,
    degradation: DegradationParams,
    compute: ComputeParams,
    router: Router | None = None,
) -> CalibrationFaces:
    """Validation and calibration faces, clean and degraded; with a router, enhanced before they are judged."""
    splits = {"validation": validation_faces, "calibration": calibration_faces}
    return judge_calibration_faces(
        detector,
        [(part, face_sizes(faces, split)) for split, part in splits.items()],
        params,
        degradations=degradation.names,
        severities=degradation.severities,
        seed=compute.seed,
        accelerator=compute.accelerator,
        router=router,
        workers=1 if router is None else compute.workers,  # judging alone is done before workers have started
    )
