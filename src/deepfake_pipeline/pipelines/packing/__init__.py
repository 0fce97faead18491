"""Faces into memory-mapped arrays, one for each split."""

from deepfake_pipeline.pipelines.packing.pipeline import create_pipeline

__all__ = ["create_pipeline"]
