"""Faces out of media, measured."""

from deepfake_pipeline.pipelines.face_extraction.pipeline import create_pipeline

__all__ = ["create_pipeline"]
