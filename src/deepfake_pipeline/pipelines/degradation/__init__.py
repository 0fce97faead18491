"""Recipes of degraded faces for the splits that judge."""

from deepfake_pipeline.pipelines.degradation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
