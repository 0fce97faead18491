"""Nodes of the release."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from typing import Any

from pydantic import TypeAdapter

from deepfake_pipeline.media.certificate import in_words
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.pipelines.compute import ComputeParams
from deepfake_pipeline.pipelines.detector_training.params import DetectorParams
from deepfake_pipeline.pipelines.enhancer_training.params import EnhancerParams
from deepfake_pipeline.pipelines.release.params import ReleaseParams
from deepfake_pipeline.reporting.card import CardRecords, network_facts, render_card
from deepfake_pipeline.reporting.record import times_judged
from deepfake_pipeline.scoring.gate import judge_candidate
from deepfake_pipeline.scoring.release import Release, hashes_of, rounded_release
from deepfake_pipeline.tables import Table
from deepfake_pipeline.tables.packed import PackedFaces
from deepfake_pipeline.training.result import History


def round_weights(candidate: Release, params: ReleaseParams) -> Release:
    """The candidate with the weights that will be stored."""
    return rounded_release(candidate, params.precision)


def gate(
    candidate: Release,
    champion: Release | None,
    calibration_faces: PackedFaces,
    params: ReleaseParams,
    compute: ComputeParams,
) -> dict[str, Any]:
    """What the candidate is against the champion; a worse one stops the run."""
    options = {**params.model_dump(exclude={"precision"}), "seed": compute.seed, "accelerator": compute.accelerator}
    return judge_candidate(candidate, champion, calibration_faces, **options)


def describe_networks(
    candidate: Release,
    detector_params: DetectorParams,
    enhancer_params: EnhancerParams,
    detector_history: History,
    enhancer_history: History,
) -> dict[str, Any]:
    """Fields of the card about the networks and their training."""
    settings = {"detector": detector_params.resolved[1], "enhancer": enhancer_params.resolved[1]}
    return {
        "detector": network_facts(candidate.detector),
        "enhancer": network_facts(candidate.enhancer) if candidate.enhancer else None,
        "geometry": candidate.geometry,
        "detector_history": detector_history,
        "enhancer_history": enhancer_history,
        "training": {name: asdict(setting) for name, setting in settings.items()},
        "hashes": hashes_of(candidate),
    }


def describe_data(
    study: DatasetStudy,
    split_counts: dict[str, dict[str, int]],
    rejected_files: Table,
    rejected_faces: Table,
    near_duplicates: Table,
    split_certificate: dict[str, Any],
    test_faces: PackedFaces,
    evaluation_records: list[dict[str, Any]],
) -> dict[str, Any]:
    """Fields of the card about the data, and how often it judged."""
    reasons = Counter(reason for table in (rejected_files, rejected_faces) for reason in table.read(["reason"]).reason)
    return {
        "study": study,
        "split_counts": split_counts,
        "rejected": dict(sorted(reasons.items())),
        "near_duplicates": near_duplicates.count(),
        "certificate": in_words(split_certificate),
        "judged": times_judged(evaluation_records, test_faces),
    }


def write_card(
    networks: dict[str, Any],
    data: dict[str, Any],
    metrics: dict[str, Any],
    operating_point: dict[str, Any],
    verdict: dict[str, Any],
    parameters: dict[str, Any],
) -> tuple[str, str]:
    """The card, as Markdown and as a page."""
    plain = {name: TypeAdapter(Any).dump_python(group, mode="json") for name, group in parameters.items()}
    records = CardRecords(
        **networks, **data, metrics=metrics, operating_point=operating_point, gate=verdict, parameters=plain
    )
    return render_card(records)


def publish(candidate: Release, verdict: dict[str, Any], markdown: str, page: str) -> Release:
    """The candidate with what the gate said and its card."""
    return replace(candidate, card={**candidate.card, "gate": verdict}, pages={"card.md": markdown, "card.html": page})


def crown(release: Release, verdict: dict[str, Any]) -> dict[str, Any]:
    """Which release is in use from now on."""
    return {"version": release.version, "release": release.name, "gate": verdict}
