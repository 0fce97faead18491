"""Nodes of evaluation."""

from __future__ import annotations

from typing import Any

from torch import nn

from deepfake_pipeline.degrade.params import DegradationParams
from deepfake_pipeline.degrade.recipes import recipes_of_split
from deepfake_pipeline.faces.geometry import CropGeometry
from deepfake_pipeline.faces.sample import face_sizes
from deepfake_pipeline.faces.traits import face_traits
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.models import Detector
from deepfake_pipeline.pipelines.calibration_faces import judged_splits
from deepfake_pipeline.pipelines.compute import ComputeParams
from deepfake_pipeline.pipelines.evaluation.params import EvaluationParams
from deepfake_pipeline.reporting import evaluation as charts
from deepfake_pipeline.reporting import judge as judgement
from deepfake_pipeline.reporting.record import evaluation_record
from deepfake_pipeline.reporting.report import collect_facts, render_report
from deepfake_pipeline.reporting.sheets import before_after_sheet, severity_sheet
from deepfake_pipeline.restore.router import Router
from deepfake_pipeline.scoring.conditions import predict_conditions
from deepfake_pipeline.scoring.conformal import UnsureRule
from deepfake_pipeline.scoring.params import VerdictParams
from deepfake_pipeline.scoring.release import Release
from deepfake_pipeline.scoring.steadiness import judge_reencoded
from deepfake_pipeline.scoring.threshold import choose_enhanced_verdicts
from deepfake_pipeline.scoring.verdict import VerdictRule
from deepfake_pipeline.scoring.videos import video_predictions
from deepfake_pipeline.tables import RecordStream, Table
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.tables.schemas import FACE_TRAITS, PREDICTIONS, REENCODED

Drawn = tuple[bytes, dict[str, Any]]


def calibrate_enhanced(
    detector: Detector,
    enhancer: nn.Module,
    classifier: nn.Module,
    operating_point: dict[str, Any],
    validation_faces: PackedFaces,
    calibration_faces: PackedFaces,
    faces: Table,
    params: VerdictParams,
    degradation: DegradationParams,
    compute: ComputeParams,
) -> dict[str, Any]:
    """How sure a verdict on an enhanced face has to be, by validation and calibration faces."""
    router = Router.of(classifier, enhancer, accelerator=compute.accelerator)
    judged = judged_splits(detector, validation_faces, calibration_faces, faces, params, degradation, compute, router)
    return choose_enhanced_verdicts(judged, operating_point, params)


def predict(
    test_faces: PackedFaces,
    recipes: Table,
    detector: nn.Module,
    enhancer: nn.Module,
    classifier: nn.Module,
    operating_point: dict[str, Any],
    enhanced_verdicts: dict[str, Any],
    faces: Table,
    compute: ComputeParams,
) -> RecordStream:
    """Probability and verdict of every test face: clean and degraded, as it is and enhanced."""
    rows = predict_conditions(
        test_faces,
        recipes_of_split(recipes, "test"),
        detector,
        Router.of(classifier, enhancer, accelerator=compute.accelerator),
        VerdictRule.of_operating_point(operating_point),
        _rule_of_enhanced(operating_point, enhanced_verdicts),
        sizes=face_sizes(faces, "test"),
        workers=compute.workers,
        accelerator=compute.accelerator,
    )
    return RecordStream.of_rows(PREDICTIONS, rows)


def _rule_of_enhanced(operating_point: dict[str, Any], enhanced_verdicts: dict[str, Any]) -> VerdictRule:
    return VerdictRule.of_operating_point({**operating_point, "unsure": enhanced_verdicts["unsure"]})


def describe(faces: Table, test_faces: PackedFaces, geometry: CropGeometry) -> RecordStream:
    """What is known of the test faces, by which figures are broken down."""
    return RecordStream.of_rows(FACE_TRAITS, face_traits(faces, test_faces, "test", geometry))


def judge_again(
    test_faces: PackedFaces,
    recipes: Table,
    detector: nn.Module,
    enhancer: nn.Module,
    classifier: nn.Module,
    operating_point: dict[str, Any],
    enhanced_verdicts: dict[str, Any],
    faces: Table,
    params: EvaluationParams,
    compute: ComputeParams,
) -> RecordStream:
    """Verdicts of some test faces, as they are and after every re-encoding: clean and degraded, also enhanced."""
    rows = judge_reencoded(
        test_faces,
        recipes_of_split(recipes, "test"),
        detector,
        Router.of(classifier, enhancer, accelerator=compute.accelerator),
        VerdictRule.of_operating_point(operating_point),
        _rule_of_enhanced(operating_point, enhanced_verdicts),
        limit=params.stability_faces,
        seed=compute.seed,
        sizes=face_sizes(faces, "test"),
        workers=compute.workers,
        accelerator=compute.accelerator,
    )
    return RecordStream.of_rows(REENCODED, rows)


def measure(
    predictions: Table,
    traits: Table,
    reencoded: Table,
    operating_point: dict[str, Any],
    params: EvaluationParams,
    compute: ComputeParams,
) -> dict[str, Any]:
    """Every figure with its interval."""
    resampling = judgement.Resampling(params.resamples, params.confidence, compute.seed)
    rule = VerdictRule.of_operating_point(operating_point)
    videos = list(video_predictions(predictions.read(), traits.read(), rule))
    return judgement.judge(predictions, operating_point, resampling, traits, videos, reencoded)


def summarise(metrics: dict[str, Any]) -> dict[str, float | None]:
    """The few figures that runs are compared by."""
    return judgement.summarise(metrics)


def record(
    summary: dict[str, Any],
    test_faces: PackedFaces,
    detector: nn.Module,
    enhancer: nn.Module,
    operating_point: dict[str, Any],
    study: DatasetStudy,
) -> dict[str, Any]:
    """What is remembered of this judgement."""
    networks = {"detector": detector, "enhancer": enhancer}
    return evaluation_record(study.name, test_faces, networks, operating_point["threshold"], summary)


def bundle(
    detector: Detector,
    enhancer: nn.Module,
    classifier: nn.Module,
    choices: dict[str, Any],
    geometry: CropGeometry,
    operating_point: dict[str, Any],
    enhanced_verdicts: dict[str, Any],
    summary: dict[str, Any],
    study: DatasetStudy,
) -> Release:
    """The candidate for a release: what `kedro score --release last-run` scores with."""
    card = {"trained_on": study.name, "operating_point": operating_point, "test": summary}
    rule = VerdictRule.of_operating_point(operating_point)
    return Release(
        "candidate",
        detector,
        geometry,
        rule.threshold,
        enhancer,
        card,
        calibrator=rule.calibrator,
        unsure=rule.unsure,
        unsure_enhanced=UnsureRule.from_json(enhanced_verdicts["unsure"]),
        router=classifier,
        choices=choices,
    )


def draw_roc(predictions: Table, metrics: dict[str, Any]) -> Drawn:
    """ROC curve on clean test faces."""
    return charts.roc_chart(predictions, metrics).drawn()


def draw_confusion(metrics: dict[str, Any]) -> Drawn:
    """Confusion matrix on clean test faces."""
    return charts.confusion_chart(metrics).drawn()


def draw_reliability(predictions: Table, metrics: dict[str, Any]) -> Drawn:
    """Share of forged faces by predicted probability."""
    return charts.reliability_chart(predictions, metrics).drawn()


def draw_severity(metrics: dict[str, Any]) -> tuple[bytes, dict[str, Any], bytes, dict[str, Any]]:
    """AUROC against severity: degraded, and enhanced."""
    degraded, enhanced = (charts.severity_chart(metrics, name).drawn() for name in ("degraded", "enhanced"))
    return *degraded, *enhanced


def draw_gain(metrics: dict[str, Any]) -> Drawn:
    """PSNR gain of the enhancer against severity."""
    return charts.gain_chart(metrics).drawn()


def draw_sheets(
    test_faces: PackedFaces,
    recipes: Table,
    enhancer: nn.Module,
    classifier: nn.Module,
    params: EvaluationParams,
    compute: ComputeParams,
) -> tuple[bytes, bytes]:
    """Real and forged faces clean, degraded and enhanced: several at one severity, one of each at every severity."""
    drawn = recipes_of_split(recipes, "test")
    router = Router.of(classifier, enhancer, accelerator=compute.accelerator)
    several = before_after_sheet(test_faces, drawn, router, columns=params.sheet_faces)
    return several, severity_sheet(test_faces, drawn, router)


def report(
    metrics: dict[str, Any],
    study: DatasetStudy,
    detector: nn.Module,
    enhancer: nn.Module,
    split_counts: dict[str, dict[str, int]],
    rejected_files: Table,
    rejected_faces: Table,
    near_duplicates: Table,
    split_certificate: dict[str, Any],
    *pictures: bytes,
) -> str:
    """The page that a manager can read."""
    rejected = (rejected_files, rejected_faces)
    facts = collect_facts(study.name, detector, enhancer, split_counts, rejected, near_duplicates, split_certificate)
    return render_report(metrics, facts, list(zip(REPORT_PICTURES.values(), pictures, strict=True)))


REPORT_PICTURES = {
    "picture_roc": "How well the score ranks forged above real faces.",
    "picture_confusion": "Verdicts against the truth.",
    "picture_reliability": "Whether a probability means what it says.",
    "picture_severity_degraded": "Where the detector stops being good.",
    "picture_severity_enhanced": "The same after enhancement.",
    "picture_gain": "What the enhancer restores.",
    "picture_detector_history": "Training of the detector.",
    "picture_enhancer_history": "Training of the enhancer.",
    "picture_before_after": "Real and forged test faces: clean, degraded, enhanced.",
}
