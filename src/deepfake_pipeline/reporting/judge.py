"""The judgement of a detector and an enhancer on test faces: every figure with its interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from deepfake_pipeline.metrics.calibration import ece
from deepfake_pipeline.metrics.classification import Floats, auroc, ratio
from deepfake_pipeline.metrics.clustered_auroc import clustered_auroc
from deepfake_pipeline.metrics.detection import detection_bootstrap
from deepfake_pipeline.metrics.intervals import Bootstrap, as_json, cluster_bootstrap, cluster_mean
from deepfake_pipeline.metrics.multiple import holm
from deepfake_pipeline.metrics.proportions import share_interval
from deepfake_pipeline.reporting.breakdowns import break_down
from deepfake_pipeline.reporting.verdicts import (
    false_alarm_figures,
    stability_figures,
    verdict_figures,
    verdicts_by_quality,
)
from deepfake_pipeline.tables import Table

Figures = dict[str, Any]

MARGIN_SHARES = (0.8, 0.6)
"""Shares of the clean margin (AUROC less 0.5) whose loss is looked for."""


class Resampling(NamedTuple):
    """How intervals are made: number of resamples, level in (0, 1), seed."""

    resamples: int
    confidence: float
    seed: int


def judge(
    predictions: Table,
    operating_point: Mapping[str, Any],
    resampling: Resampling,
    traits: Table,
    videos: Sequence[Mapping[str, Any]],
    reencoded: Table,
) -> Figures:
    """All figures of the evaluation, as JSON values; figures of frames and of videos are never mixed.

    Args:
        predictions: rows of ``tables.schemas.PREDICTIONS``.
        operating_point: what ``scoring.threshold.choose_operating_point`` chose on validation and calibration faces.
        resampling: of the bootstrap, clustered by group.
        traits: rows of ``tables.schemas.FACE_TRAITS``.
        videos: rows of ``scoring.videos.video_predictions``; none where the test faces are of images.
        reencoded: rows of ``tables.schemas.REENCODED``.
    """
    threshold = float(operating_point["threshold"])
    edges = (operating_point.get("unsure") or {}).get("edges", [])
    frame = predictions.read()
    clean = frame[frame.condition == "clean"]
    options = resampling._asdict()
    figures = _detection(clean, threshold, options)
    restoration = _restoration(frame, options)
    detection, limits = _detection_by_condition(frame, options)
    return {
        "headline": {
            "auroc": figures["auroc"],
            "psnr_gain_db": restoration["mean"]["psnr_gain"],
            "auroc_change_by_enhancement": detection["mean"]["change"],
        },
        "faces": {
            "test": len(clean),
            "groups": int(clean.group.nunique()),
            "under_degradation": int(frame[frame.condition == "degraded"].face_id.nunique()),
        },
        "threshold": threshold,
        "confidence": resampling.confidence,
        "detection": figures,
        "calibration": {
            "kind": (operating_point.get("calibrator") or {}).get("kind", "none"),
            "ece_uncalibrated": float(ece(clean.label, expit(clean.logit.to_numpy(np.float64)))),
        },
        "verdicts": {
            "target_error": (operating_point.get("unsure") or {}).get("target_error"),
            **verdicts_by_quality(frame, edges, options),
        },
        "stability": stability_figures(reencoded.read(), options),
        "false_alarms": false_alarm_figures(clean, operating_point.get("false_alarms", []), options),
        "breakdowns": break_down(_described(clean, traits), edges, threshold, options),
        "videos": _videos(videos, threshold, options),
        "detection_by_condition": detection,
        "enhancing_clean": _enhancing_clean(frame, options),
        "severity_limits": limits,
        "restoration": restoration,
    }


def summarise(metrics: Figures) -> Figures:
    """The figures that one compares between runs, flat: ``auroc``, ``auroc_low``, ``auroc_high`` …"""
    detection = metrics["detection"]
    chosen = {**metrics["headline"], **{name: detection[name] for name in ("balanced_accuracy", "eer", "ece", "brier")}}
    flat: Figures = {}
    clean = metrics["verdicts"]["by_condition"]["clean"]
    chosen |= {
        "ece_debiased": detection["ece_debiased"],
        "verdict_share": clean["share"],
        "verdict_error": clean["error"],
    }
    for name, figure in chosen.items():
        flat |= {name: figure["value"], f"{name}_low": figure["low"], f"{name}_high": figure["high"]}
    return flat


def _restoration(frame: pd.DataFrame, options: dict[str, Any]) -> Figures:
    """PSNR in dB and SSIM before and after the enhancer, and its gain over doing nothing."""
    keys = ["face_id", "group", "degradation", "severity"]
    pairs = frame[frame.condition == "degraded"].merge(
        frame[frame.condition == "enhanced"], on=keys, suffixes=("_degraded", "_enhanced"), validate="one_to_one"
    )
    for figure in ("psnr", "ssim"):
        pairs[f"{figure}_gain"] = pairs[f"{figure}_enhanced"] - pairs[f"{figure}_degraded"]

    names = [f"{figure}_{what}" for figure in ("psnr", "ssim") for what in ("degraded", "enhanced", "gain")]

    def row(part: pd.DataFrame) -> Figures:
        bootstrap = cluster_mean(part[names].to_numpy(), part.group.to_numpy(), **options)
        return {name: as_json(interval) for name, interval in zip(names, bootstrap.intervals(), strict=True)}

    return _by_condition(pairs, row)


def _detection_by_condition(frame: pd.DataFrame, options: dict[str, Any]) -> tuple[Figures, Figures]:
    """AUROC of the detector on clean, degraded and enhanced faces, and what enhancement changes (paired).

    The p-value of each change is DeLong's, for faces in groups, and Holm's over all degradations and severities.
    With them: the severity at which the AUROC falls under shares of its clean margin.
    """
    hurt = frame[frame.condition.isin(["degraded", "enhanced"])]
    faces = sorted(hurt.face_id.unique())
    clean = _aligned(frame[frame.condition == "clean"], faces)
    groups, labels = clean.group.to_numpy(), clean.label.to_numpy()

    def score(part: pd.DataFrame) -> Bootstrap:
        statistic = partial(auroc, labels, _aligned(part, faces).fake_probability.to_numpy())
        return cluster_bootstrap(statistic, groups, **options)

    on_clean = score(clean)
    every: dict[str, list[Bootstrap]] = {"degraded": [], "enhanced": []}

    def row(part: pd.DataFrame) -> Figures:
        parts = {name: part[part.condition == name] for name in every}
        found = {name: score(of_one) for name, of_one in parts.items()}
        for name, bootstrap in found.items():
            every[name].append(bootstrap)
        enhanced, degraded = (
            _aligned(parts[name], faces).fake_probability.to_numpy() for name in ("enhanced", "degraded")
        )
        scores = np.stack([enhanced, degraded], axis=1)
        p = clustered_auroc(labels, scores, groups).contrast([1, -1]).p_value
        return {**_changes(on_clean, found["degraded"], found["enhanced"]), "p": None if np.isnan(p) else p}

    table: Figures = {}
    limits: Figures = {}
    for degradation, of_one in hurt.groupby("degradation", sort=True):
        before = len(every["degraded"])
        severities = sorted(of_one.severity.unique())
        table[degradation] = {str(int(severity)): row(of_one[of_one.severity == severity]) for severity in severities}
        curve = [on_clean, *every["degraded"][before:]]
        limits[degradation] = _severity_limits([0.0, *map(float, severities)], curve)
    rows = [one for of_one in table.values() for one in of_one.values()]
    known = [one for one in rows if one["p"] is not None]
    for one, p in zip(known, holm([one["p"] for one in known]).tolist(), strict=True):
        one["p_holm"] = p
    means = {name: _mean(bootstraps) for name, bootstraps in every.items()}
    return {**table, "mean": _changes(on_clean, means["degraded"], means["enhanced"])}, limits


def _enhancing_clean(frame: pd.DataFrame, options: dict[str, Any]) -> Figures | None:
    """AUROC on all clean faces, as they are and enhanced first, and the paired change; None where none was enhanced."""
    clean, enhanced = (frame[frame.condition == name] for name in ("clean", "clean_enhanced"))
    if not len(enhanced):
        return None
    faces = sorted(clean.face_id)
    labels, groups = (_aligned(clean, faces)[name].to_numpy() for name in ("label", "group"))
    before, after = (
        cluster_bootstrap(partial(auroc, labels, _aligned(part, faces).fake_probability.to_numpy()), groups, **options)
        for part in (clean, enhanced)
    )
    figures = {"clean": before, "enhanced": after, "change": after.minus(before)}
    return {name: as_json(bootstrap.interval()) for name, bootstrap in figures.items()}


def _severity_limits(severities: Sequence[float], curve: Sequence[Bootstrap]) -> Figures:
    """Severity at which the AUROC falls under shares of what it has, clean, over guessing; with intervals.

    ``value`` is null where the AUROC does not fall so low, and ``high`` where it does not in enough of the resamples.
    """
    values = np.array([one.value[0] for one in curve])
    samples = np.stack([one.samples[:, 0] for one in curve], axis=1)
    tail = (1 - curve[0].confidence) / 2
    table = {}
    for share in MARGIN_SHARES:
        reached = float(falls_under(severities, values[None], share)[0])
        of_samples = falls_under(severities, samples[np.isfinite(samples).all(axis=1)], share)
        ends = np.quantile(of_samples, [tail, 1 - tail], method="nearest") if len(of_samples) else [np.nan, np.nan]
        figures = (reached, float(ends[0]), float(ends[1]))
        table[f"{share:g}"] = {
            name: figure if np.isfinite(figure) else None
            for name, figure in zip(("value", "low", "high"), figures, strict=True)
        }
    return table


def falls_under(severities: Sequence[float], aurocs: Floats, share: float) -> Floats:
    """Severity at which AUROCs fall under ``0.5 + share · (clean - 0.5)``, straight lines drawn between severities.

    Args:
        severities: ``(S,)``, rising; the first is 0, clean.
        aurocs: ``(R, S)``.
        share: of the clean margin, in (0, 1).

    Returns:
        ``(R,)``: the first such severity; infinity where there is none, 0 where there is no margin to begin with.

    >>> falls_under([0, 1, 2], np.array([[0.9, 0.8, 0.6]]), 0.6).round(2).tolist()
    [1.3]
    """
    level = 0.5 + share * (aurocs[:, :1] - 0.5)
    under = aurocs < level
    under[:, 0] = aurocs[:, 0] <= 0.5
    at = np.argmax(under, axis=1)
    row, place = np.arange(len(aurocs)), np.asarray(severities, np.float64)
    before = np.maximum(at - 1, 0)
    high, low = aurocs[row, before] - level[:, 0], aurocs[row, at] - level[:, 0]
    along = ratio(high, high - low, empty=0.0)
    crossing = place[before] + along * (place[at] - place[before])
    return np.where(under.any(axis=1), np.where(at == 0, 0.0, crossing), np.inf)


def _detection(frame: pd.DataFrame, threshold: float, options: dict[str, Any]) -> Figures:
    """Figures of one detector on these faces, or videos, with intervals."""
    labels, probability, groups = (frame[name].to_numpy() for name in ("label", "fake_probability", "group"))
    drawn = detection_bootstrap(labels, probability, groups, threshold=threshold, **options)
    found = {name: bootstrap.interval() for name, bootstrap in drawn.items()}
    called = probability >= threshold
    for name, among in (("accuracy", np.full(len(frame), True)), ("precision", called), ("recall", labels == 1)):
        found[name] = share_interval(found[name], groups[among], options["confidence"])
    return {name: as_json(interval) for name, interval in found.items()}


def _described(clean: pd.DataFrame, traits: Table) -> pd.DataFrame:
    """Clean predictions with what is known of their faces."""
    return clean.merge(traits.read(), on="face_id", validate="one_to_one")


def _videos(videos: Sequence[Mapping[str, Any]], threshold: float, options: dict[str, Any]) -> Figures | None:
    """Figures of whole videos; None where there is none."""
    if not videos:
        return None
    frame = pd.DataFrame(videos)
    return {
        "videos": len(frame),
        "groups": int(frame.group.nunique()),
        "detection": _detection(frame, threshold, options),
        "verdicts": verdict_figures(frame, options),
    }


def _changes(clean: Bootstrap, degraded: Bootstrap, enhanced: Bootstrap) -> Figures:
    return {
        "clean": as_json(clean.interval()),
        "degraded": as_json(degraded.interval()),
        "enhanced": as_json(enhanced.interval()),
        "change": as_json(enhanced.minus(degraded).interval()),
    }


def _mean(bootstraps: list[Bootstrap]) -> Bootstrap:
    """Bootstrap of the mean of several figures of the same resamples."""
    value, samples, left_out = (
        np.mean([getattr(one, part) for one in bootstraps], axis=0) for part in ("value", "samples", "left_out")
    )
    return Bootstrap(value, samples, left_out, bootstraps[0].confidence)


def _by_condition(frame: pd.DataFrame, row: Callable[[pd.DataFrame], Figures]) -> Figures:
    table: Figures = {
        degradation: {
            **{str(int(severity)): row(part) for severity, part in of_one.groupby("severity", sort=True)},
            "mean": row(of_one),
        }
        for degradation, of_one in frame.groupby("degradation", sort=True)
    }
    return {**table, "mean": row(frame)}


def _aligned(frame: pd.DataFrame, faces: list[str]) -> pd.DataFrame:
    return frame.set_index("face_id").loc[faces].reset_index()
