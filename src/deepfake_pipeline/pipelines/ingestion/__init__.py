"""Media in, manifest out."""

from deepfake_pipeline.pipelines.ingestion.pipeline import create_pipeline

__all__ = ["create_pipeline"]
