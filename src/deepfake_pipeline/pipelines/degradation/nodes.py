"""Nodes of degradation."""

from __future__ import annotations

from deepfake_pipeline.degrade.params import DegradationParams
from deepfake_pipeline.degrade.recipes import make_recipes
from deepfake_pipeline.faces.sample import decoded_faces, sample_faces
from deepfake_pipeline.pipelines.compute import ComputeParams
from deepfake_pipeline.tables import RecordStream, Table
from deepfake_pipeline.tables.schemas import RECIPES


def draw_recipes(faces: Table, params: DegradationParams, compute: ComputeParams) -> RecordStream:
    """A recipe for each sampled face, degradation and severity, with the PSNR and SSIM it leads to."""
    limits = {"validation": params.validation_faces, "test": params.test_faces}
    chosen = sample_faces(faces, limits, compute.seed)
    rows = make_recipes(
        decoded_faces(faces, chosen), params.names, params.severities, compute.seed, compute.workers, len(chosen)
    )
    return RecordStream.of_rows(RECIPES, rows)
