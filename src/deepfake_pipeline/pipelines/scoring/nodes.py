"""Nodes of scoring."""

from __future__ import annotations

from deepfake_pipeline.media.sources import MediaSource
from deepfake_pipeline.pipelines.compute import ComputeParams
from deepfake_pipeline.pipelines.scoring.params import ScoringParams
from deepfake_pipeline.scoring.release import Release
from deepfake_pipeline.scoring.score import score_samples
from deepfake_pipeline.tables import RecordStream, Table
from deepfake_pipeline.tables.schemas import SCORES


def score(
    media: MediaSource, manifest: Table, release: Release, params: ScoringParams, compute: ComputeParams
) -> RecordStream:
    """Probability and verdict of every face, and of every file, of the source."""
    rows = score_samples(
        manifest, media.root, release, faces=params.faces, workers=compute.workers, accelerator=compute.accelerator
    )
    return RecordStream.of_rows(SCORES, rows)
