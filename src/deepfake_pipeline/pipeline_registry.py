"""The pipelines by name. Explicit, so that ``kedro run --pipelines a,b`` knows every one of them."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from deepfake_pipeline.pipelines import (
    degradation,
    detector_training,
    enhancer_training,
    evaluation,
    face_extraction,
    ingestion,
    packing,
)

STAGES = {
    "ingestion": ingestion,
    "face_extraction": face_extraction,
    "packing": packing,
    "degradation": degradation,
    "enhancer_training": enhancer_training,
    "detector_training": detector_training,
    "evaluation": evaluation,
}


def register_pipelines() -> dict[str, Pipeline]:
    """Each stage alone, and all of them as the default."""
    pipelines = {name: stage.create_pipeline() for name, stage in STAGES.items()}
    return {**pipelines, "__default__": sum(pipelines.values(), start=Pipeline([]))}
