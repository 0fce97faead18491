"""A network that judges faces, its threshold, and the candidate for a release."""

from deepfake_pipeline.pipelines.detector_training.pipeline import create_pipeline

__all__ = ["create_pipeline"]
