"""Publishing what a run has made: gate, card, versioned bundle, champion."""

from deepfake_pipeline.pipelines.release.pipeline import create_pipeline

__all__ = ["create_pipeline"]
