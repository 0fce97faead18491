"""The judgement of a detector and an enhancer on test faces: every figure with its interval."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from deepfake_pipeline.metrics.classification import auroc
from deepfake_pipeline.metrics.detection import detection_bootstrap
from deepfake_pipeline.metrics.intervals import Bootstrap, as_json, cluster_bootstrap, cluster_mean
from deepfake_pipeline.tables import Table

Figures = dict[str, Any]


class Resampling(NamedTuple):
    """How intervals are made: number of resamples, level in (0, 1), seed."""

    resamples: int
    confidence: float
    seed: int


def judge(predictions: Table, threshold: float, resampling: Resampling) -> Figures:
    """All figures of the evaluation, as JSON values.

    Args:
        predictions: rows of ``tables.schemas.PREDICTIONS``.
        threshold: of the verdict, chosen on calibration faces.
        resampling: of the bootstrap, clustered by group.
    """
    frame = predictions.read()
    clean = frame[frame.condition == "clean"]
    options = resampling._asdict()
    columns = [clean[name].to_numpy() for name in ("label", "fake_probability", "group")]
    figures = detection_bootstrap(*columns, threshold=threshold, **options)
    restoration = _restoration(frame, options)
    detection = _detection_by_condition(frame, options)
    return {
        "headline": {
            "auroc": as_json(figures["auroc"].interval()),
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
        "detection": {name: as_json(bootstrap.interval()) for name, bootstrap in figures.items()},
        "detection_by_condition": detection,
        "restoration": restoration,
    }


def summarise(metrics: Figures) -> Figures:
    """The figures that one compares between runs, flat: ``auroc``, ``auroc_low``, ``auroc_high`` …"""
    detection = metrics["detection"]
    chosen = {**metrics["headline"], **{name: detection[name] for name in ("balanced_accuracy", "eer", "ece", "brier")}}
    flat: Figures = {}
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


def _detection_by_condition(frame: pd.DataFrame, options: dict[str, Any]) -> Figures:
    """AUROC of the detector on clean, degraded and enhanced faces, and what enhancement changes (paired)."""
    hurt = frame[frame.condition != "clean"]
    faces = sorted(hurt.face_id.unique())
    clean = _aligned(frame[frame.condition == "clean"], faces)
    groups, labels = clean.group.to_numpy(), clean.label.to_numpy()

    def score(part: pd.DataFrame) -> Bootstrap:
        statistic = partial(auroc, labels, _aligned(part, faces).fake_probability.to_numpy())
        return cluster_bootstrap(statistic, groups, **options)

    on_clean = score(clean)
    every: dict[str, list[Bootstrap]] = {"degraded": [], "enhanced": []}

    def row(part: pd.DataFrame) -> Figures:
        found = {name: score(part[part.condition == name]) for name in every}
        for name, bootstrap in found.items():
            every[name].append(bootstrap)
        return _changes(on_clean, found["degraded"], found["enhanced"])

    table = {
        degradation: {str(int(severity)): row(part) for severity, part in of_one.groupby("severity", sort=True)}
        for degradation, of_one in hurt.groupby("degradation", sort=True)
    }
    means = {name: _mean(bootstraps) for name, bootstraps in every.items()}
    return {**table, "mean": _changes(on_clean, means["degraded"], means["enhanced"])}


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
