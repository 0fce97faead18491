"""The test split, judged once: predictions, metrics with intervals, figures, report."""

from deepfake_pipeline.pipelines.evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
