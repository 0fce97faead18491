"""A network that restores faces."""

from deepfake_pipeline.pipelines.enhancer_training.pipeline import create_pipeline

__all__ = ["create_pipeline"]
