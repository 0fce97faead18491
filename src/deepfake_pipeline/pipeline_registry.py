"""The pipelines by name. Explicit, so that ``kedro run --pipelines a,b`` knows every one of them."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from deepfake_pipeline.pipelines import (
    degradation,
    detector_training,
    enhancement_study,
    enhancer_training,
    evaluation,
    face_extraction,
    ingestion,
    packing,
    release,
    restoration,
    scoring,
)

STAGES = {
    "ingestion": ingestion,
    "face_extraction": face_extraction,
    "packing": packing,
    "degradation": degradation,
    "enhancer_training": enhancer_training,
    "restoration": restoration,
    "detector_training": detector_training,
    "evaluation": evaluation,
}
"""What the default run does, in its order; each is a stage of DVC too."""

ON_DEMAND = {"release": release, "scoring": scoring, "enhancement_study": enhancement_study}
"""What changes or reads the champion, or trains for hours, and so runs only when asked for."""


def register_pipelines() -> dict[str, Pipeline]:
    """Each pipeline alone, and all stages as the default."""
    stages = {name: stage.create_pipeline() for name, stage in STAGES.items()}
    on_demand = {name: module.create_pipeline() for name, module in ON_DEMAND.items()}
    return {**stages, **on_demand, "__default__": sum(stages.values(), start=Pipeline([]))}
