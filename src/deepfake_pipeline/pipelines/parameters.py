"""All parameter groups, and the check that a run makes of them before it does anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from deepfake_pipeline.degrade.params import DegradationParams
from deepfake_pipeline.faces.params import FaceParams
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.pipelines.compute import ComputeParams
from deepfake_pipeline.pipelines.detector_training.params import DetectorParams
from deepfake_pipeline.pipelines.enhancement_study.params import EnhancementStudyParams
from deepfake_pipeline.pipelines.enhancer_training.params import EnhancerParams
from deepfake_pipeline.pipelines.evaluation.params import EvaluationParams
from deepfake_pipeline.pipelines.ingestion.params import IngestionParams
from deepfake_pipeline.pipelines.release.params import ReleaseParams
from deepfake_pipeline.pipelines.restoration.params import RestorationParams
from deepfake_pipeline.pipelines.scoring.params import ScoringParams
from deepfake_pipeline.scoring.params import VerdictParams
from deepfake_pipeline.tables.errors import UserError

GROUPS: dict[str, type[BaseModel]] = {
    "compute": ComputeParams,
    "study": DatasetStudy,
    "ingestion": IngestionParams,
    "face_extraction": FaceParams,
    "degradation": DegradationParams,
    "enhancer_training": EnhancerParams,
    "restoration": RestorationParams,
    "detector_training": DetectorParams,
    "verdicts": VerdictParams,
    "evaluation": EvaluationParams,
    "release": ReleaseParams,
    "scoring": ScoringParams,
    "enhancement_study": EnhancementStudyParams,
}


def check_parameters(given: Mapping[str, Any]) -> None:
    """Validate every group.

    Raises:
        UserError: an unknown group or key, or a value that is not allowed; one line that names the key.
    """
    validated(given)


def validated(given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameter objects of every group, by its name.

    Raises:
        UserError: as of :func:`check_parameters`.
    """
    if unknown := sorted(given.keys() - GROUPS.keys()):
        raise UserError(f"unknown parameter group {', '.join(unknown)}: the groups are {', '.join(sorted(GROUPS))}")
    groups: dict[str, Any] = {}
    for group, model in GROUPS.items():
        try:
            groups[group] = model.model_validate(given.get(group, {}))
        except ValidationError as error:
            raise UserError("; ".join(_lines(group, model, error))) from error
    return groups


def _lines(group: str, model: type[BaseModel], error: ValidationError) -> list[str]:
    lines = []
    for found in error.errors():
        if found["type"] == "default_factory_not_called":  # follows from another error of the list
            continue
        key = ".".join([group, *(str(part) for part in found["loc"])])
        if found["type"] == "extra_forbidden":
            lines.append(f"{key}: no such key; {group} has {', '.join(model.model_fields)}")
        elif found["type"] == "value_error":
            lines.append(f"{key}: {found['ctx']['error']}")
        else:
            lines.append(f"{key}: {found['msg']}, not {found['input']!r}")
    return lines
