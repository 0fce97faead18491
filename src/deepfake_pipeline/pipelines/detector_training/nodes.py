"""Nodes of the detector's training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from deepfake_pipeline.degrade.params import DegradationParams
from deepfake_pipeline.faces.geometry import CropGeometry
from deepfake_pipeline.forge.self_blend import blender_for
from deepfake_pipeline.models import Detector
from deepfake_pipeline.pipelines.calibration_faces import judged_splits
from deepfake_pipeline.pipelines.compute import ComputeParams
from deepfake_pipeline.pipelines.detector_training.params import DetectorParams
from deepfake_pipeline.pipelines.training_params import network_to_start_from, runtime
from deepfake_pipeline.reporting.training import history_chart
from deepfake_pipeline.scoring.params import VerdictParams
from deepfake_pipeline.scoring.threshold import choose_operating_point
from deepfake_pipeline.tables import Table
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.training.detector import train_detector
from deepfake_pipeline.training.result import History


def train(
    train_faces: PackedFaces,
    validation_faces: PackedFaces,
    geometry: CropGeometry,
    params: DetectorParams,
    degradation: DegradationParams,
    compute: ComputeParams,
    checkpoints: Path,
) -> tuple[nn.Module, History]:
    """The detector of the best epoch, and what each epoch gave."""
    network_config, settings = params.resolved
    fitted = train_detector(
        train_faces,
        validation_faces,
        network=params.network,
        network_config=network_config,
        settings=settings,
        runtime=runtime(compute, checkpoints),
        forger=blender_for(geometry),
        degradations=degradation.names,
        severities=degradation.severities,
        start=network_to_start_from(params.start, "detector"),
    )
    return fitted.network, fitted.history


def calibrate(
    detector: Detector,
    validation_faces: PackedFaces,
    calibration_faces: PackedFaces,
    faces: Table,
    params: VerdictParams,
    degradation: DegradationParams,
    compute: ComputeParams,
) -> dict[str, Any]:
    """Calibrator, thresholds and margins of the verdict, chosen on validation and calibration faces."""
    judged = judged_splits(detector, validation_faces, calibration_faces, faces, params, degradation, compute)
    return choose_operating_point(judged, params)


def draw_history(history: History) -> tuple[bytes, dict[str, object]]:
    """Training curves, as picture and interactive."""
    return history_chart("Detector: loss by epoch", history).drawn()
