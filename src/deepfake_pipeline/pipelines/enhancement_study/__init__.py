"""Does enhancement help detection? Detectors, controls and repairs, judged on the same degraded faces."""

from deepfake_pipeline.pipelines.enhancement_study.pipeline import create_pipeline

__all__ = ["create_pipeline"]
