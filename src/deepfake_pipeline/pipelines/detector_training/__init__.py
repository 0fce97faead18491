"""A network that judges faces, and its threshold."""

from deepfake_pipeline.pipelines.detector_training.pipeline import create_pipeline

__all__ = ["create_pipeline"]
