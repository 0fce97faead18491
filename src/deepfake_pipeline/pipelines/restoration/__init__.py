"""What ails a face, the repair that suits it, and how every repair does on test faces."""

from deepfake_pipeline.pipelines.restoration.pipeline import create_pipeline

__all__ = ["create_pipeline"]
