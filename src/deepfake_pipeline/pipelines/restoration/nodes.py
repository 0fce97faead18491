"""Nodes of restoration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from deepfake_pipeline.degrade.params import DegradationParams
from deepfake_pipeline.degrade.recipes import recipes_of_split
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.pipelines.compute import ComputeParams
from deepfake_pipeline.pipelines.restoration.params import RestorationParams
from deepfake_pipeline.pipelines.training_params import network_to_start_from, runtime
from deepfake_pipeline.reporting import restoration as reporting
from deepfake_pipeline.reporting.judge import Resampling
from deepfake_pipeline.reporting.restoration_page import render_page
from deepfake_pipeline.reporting.restoration_sheet import restoration_sheet
from deepfake_pipeline.reporting.training import history_chart
from deepfake_pipeline.restore.choices import Choices
from deepfake_pipeline.restore.router import Router
from deepfake_pipeline.restore.score import FullCloseness, choose_on, judged_trials, score_trials
from deepfake_pipeline.tables import RecordStream, Table
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.tables.schemas import RESTORATION_SCORES
from deepfake_pipeline.training.restoration import one_recipe_a_face
from deepfake_pipeline.training.result import History
from deepfake_pipeline.training.router import train_router

Figures = dict[str, Any]


def train(
    train_faces: PackedFaces,
    validation_faces: PackedFaces,
    recipes: Table,
    params: RestorationParams,
    degradation: DegradationParams,
    compute: ComputeParams,
    checkpoints: Path,
) -> tuple[nn.Module, History]:
    """The classifier of degradations of the best epoch, and what each epoch gave."""
    fitted = train_router(
        train_faces,
        validation_faces,
        one_recipe_a_face(recipes_of_split(recipes, "validation")),
        settings=params.settings,
        light=params.light,
        runtime=runtime(compute, checkpoints),
        degradations=degradation.names,
        severities=degradation.severities,
        config=params.network_config,
        start=network_to_start_from(params.start, "router"),
    )
    return fitted.network, fitted.history


def choose(
    validation_faces: PackedFaces,
    recipes: Table,
    classifier: nn.Module,
    enhancer: nn.Module,
    params: RestorationParams,
    compute: ComputeParams,
) -> Figures:
    """Mean figures of every repair on validation faces, by what ailed them, and which is best."""
    router = Router.of(classifier, enhancer, None, params.classical, compute.accelerator)
    drawn = recipes_of_split(recipes, "validation")
    return choose_on(validation_faces, drawn, router, limit=params.validation_faces, workers=compute.workers).to_json()


def score(
    test_faces: PackedFaces,
    recipes: Table,
    classifier: nn.Module,
    enhancer: nn.Module,
    choices: Figures,
    params: RestorationParams,
    compute: ComputeParams,
) -> RecordStream:
    """Figures of every tried repair of every picture of the judging test faces."""
    found = Choices.from_json(choices)
    router = Router.of(classifier, enhancer, found, params.classical, compute.accelerator)
    some = judged_trials(
        test_faces, recipes_of_split(recipes, "test"), router, limit=params.test_faces, surveyed=params.survey_faces
    )
    rows = score_trials(some, router, FullCloseness(params.tolerance), workers=compute.workers)
    return RecordStream.of_rows(RESTORATION_SCORES, rows)


def measure(scores: Table, choices: Figures, params: RestorationParams, compute: ComputeParams) -> Figures:
    """Every figure with its interval."""
    resampling = Resampling(params.resamples, params.confidence, compute.seed)
    return reporting.measure(scores, Choices.from_json(choices), params.tolerance, resampling)


def summarise(restoration: Figures) -> Figures:
    """The few figures that runs are compared by."""
    return reporting.summarise(restoration)


def draw(restoration: Figures) -> tuple[bytes, Figures, bytes, Figures]:
    """PSNR by severity, and what the classifier takes each degradation for."""
    by_severity, confusion = reporting.severity_panels(restoration), reporting.confusion_chart(restoration)
    return *by_severity.drawn(), *confusion.drawn()


def draw_history(history: History) -> tuple[bytes, Figures]:
    """Training curves, as picture and interactive."""
    return history_chart("Classifier of degradations: loss by epoch", history).drawn()


def draw_sheet(
    test_faces: PackedFaces,
    recipes: Table,
    classifier: nn.Module,
    enhancer: nn.Module,
    choices: Figures,
    params: RestorationParams,
    compute: ComputeParams,
) -> bytes:
    """A test face under each degradation: degraded, best classical repair, network, router, and the clean face."""
    found = Choices.from_json(choices)
    router = Router.of(classifier, enhancer, found, params.classical, compute.accelerator)
    return restoration_sheet(test_faces, recipes_of_split(recipes, "test"), router, params.sheet_severity)


def report(restoration: Figures, choices: Figures, study: DatasetStudy, *pictures: bytes) -> str:
    """The page on restoration, which the report links to."""
    captioned = list(zip(REPORT_PICTURES.values(), pictures, strict=True))
    return render_page(restoration, choices, study.name, captioned)


REPORT_PICTURES = {
    "picture_restoration_severity": "PSNR by severity: what is left of a degraded face, and what repairs make of it.",
    "picture_router_confusion": "What the classifier takes each degradation for.",
    "picture_router_history": "Training of the classifier.",
    "picture_restoration_sheet": "Test faces: degraded, repaired, and as they were.",
}
