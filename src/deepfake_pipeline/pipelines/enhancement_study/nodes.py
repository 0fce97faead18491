"""Nodes of the study."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from torch import nn

from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.models.enhancer import Enhancer
from deepfake_pipeline.models.store import network_bytes
from deepfake_pipeline.pipelines.compute import ComputeParams
from deepfake_pipeline.pipelines.enhancement_study.params import EnhancementStudyParams
from deepfake_pipeline.pipelines.training_params import runtime
from deepfake_pipeline.reporting.study import CONTROL, PLAIN, Resampling, measure_study
from deepfake_pipeline.reporting.study_charts import change_maps, severity_chart
from deepfake_pipeline.reporting.study_page import render_study, settings_of
from deepfake_pipeline.scoring.repairers import BestRepairs, RepairParts, available, choose_classical
from deepfake_pipeline.scoring.study import StudyPlan, Variant, sampled_rows, score_study
from deepfake_pipeline.tables import RecordStream, Table
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.tables.schemas import STUDY_SCORES
from deepfake_pipeline.training.detector import train_detector
from deepfake_pipeline.training.restoration import evenly_degraded
from deepfake_pipeline.training.result import History

Networks = dict[str, Any]


def train_detectors(
    train_faces: PackedFaces,
    validation_faces: PackedFaces,
    params: EnhancementStudyParams,
    compute: ComputeParams,
    checkpoints: Path,
) -> tuple[Networks, dict[str, History]]:
    """Every detector with every seed, plain and as a control, by the keys of their variants; and their histories."""
    where, fitted = runtime(compute, checkpoints), {}
    for name, training, seed in product(params.detectors, (PLAIN, CONTROL), params.seeds):
        network_config, settings = params.of_detector(name, training)
        fitted[Variant(name, training, seed).key] = train_detector(
            train_faces,
            validation_faces,
            network=name,
            network_config=network_config,
            settings=settings,
            runtime=replace(where, seed=seed),
            degradations=params.degradations,
            severities=params.severities,
        )
    return {key: one.network for key, one in fitted.items()}, {key: one.history for key, one in fitted.items()}


def train_enhancers(
    train_faces: PackedFaces,
    validation_faces: PackedFaces,
    enhancer: Enhancer,
    detectors: Networks,
    params: EnhancementStudyParams,
    compute: ComputeParams,
    checkpoints: Path,
) -> Networks:
    """The enhancer, and where it is asked for the one that is trained further with the first detector."""
    networks: Networks = {"enhancer": enhancer}
    if "joint" in params.repairs:
        from deepfake_pipeline.training.joint import train_jointly  # late: Lightning takes seconds to load

        kinds = params.degradations, params.severities
        networks["joint"] = train_jointly(
            train_faces,
            validation_faces,
            evenly_degraded(validation_faces, compute.seed, degradations=kinds[0], severities=kinds[1]),
            enhancer=enhancer,
            detector=detectors[Variant(params.detectors[0], PLAIN, params.seeds[0]).key],
            settings=params.joint,
            runtime=runtime(compute, checkpoints),
            degradations=params.degradations,
            severities=params.severities,
        ).network
    return networks


def choose_repairs(
    validation_faces: PackedFaces, params: EnhancementStudyParams, compute: ComputeParams
) -> dict[str, dict[str, str]]:
    """The best classical repair of each degradation and severity, on validation faces."""
    rows = sampled_rows(validation_faces.groups, params.choice_faces, compute.seed)
    kinds = params.degradations, params.severities
    return choose_classical(validation_faces, rows, *kinds, seed=compute.seed, workers=compute.workers)


def score(
    test_faces: PackedFaces,
    detectors: Networks,
    enhancers: Networks,
    classifier: nn.Module,
    choices: dict[str, Any],
    best: BestRepairs,
    params: EnhancementStudyParams,
    compute: ComputeParams,
    checkpoints: Path,
) -> RecordStream:
    """A row for each face, condition, repair and detector."""
    given: Networks = {**enhancers, "router": classifier}
    wanted: Networks = {name: network for name, network in given.items() if name in params.repairs}
    parts = RepairParts(
        best,
        {name: network_bytes(network) for name, network in given.items()},
        params.slow_repairs,
        compute.accelerator,
        choices,
    )
    plan = StudyPlan(
        {key: network_bytes(network) for key, network in sorted(detectors.items())},
        parts,
        available(params.repairs, wanted),
        params.degradations,
        params.severities,
        params.slow_faces,
        compute.seed,
    )
    rows = sampled_rows(test_faces.groups, params.faces, compute.seed)
    scored = partial(score_study, test_faces, rows, plan, checkpoints=checkpoints, workers=compute.workers)
    return RecordStream(STUDY_SCORES, scored)


def measure(scores: Table, params: EnhancementStudyParams, compute: ComputeParams) -> dict[str, Any]:
    """Every change with its interval, p-value and verdict, and the means over all cells."""
    return measure_study(scores, Resampling(params.resamples, params.confidence, compute.seed))


def draw(figures: dict[str, Any]) -> tuple[bytes, dict[str, Any], bytes, dict[str, Any]]:
    """AUROC by severity, and what each repair changes under each condition."""
    return *severity_chart(figures).drawn(), *change_maps(figures).drawn()


def report(
    figures: dict[str, Any],
    best: BestRepairs,
    study: DatasetStudy,
    params: EnhancementStudyParams,
    *pictures: bytes,
) -> str:
    """The page that opens with the answer."""
    captions = list(zip(STUDY_PICTURES.values(), pictures, strict=True))
    return render_study(figures, study.name, settings_of(params.model_dump(mode="json"), best), captions)


STUDY_PICTURES = {
    "picture_study_severity": "How good detectors are as faces get worse, with and without repair.",
    "picture_study_changes": "Where repairing first helps (violet) and hurts (orange).",
}
