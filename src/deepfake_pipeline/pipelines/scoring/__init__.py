"""Any source scored with a release."""

from deepfake_pipeline.pipelines.scoring.pipeline import create_pipeline

__all__ = ["create_pipeline"]
