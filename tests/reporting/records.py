"""Records of a run with planted figures, for cards."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepfake_pipeline.faces.geometry import CropGeometry
from deepfake_pipeline.faces.params import FaceParams
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.reporting.card import CardRecords, NetworkFacts
from deepfake_pipeline.reporting.report import METRIC_NAMES

Figures = dict[str, Any]
UNDEFINED = {"value": None, "low": None, "high": None}


def interval(value: float, below: float = 0.02, above: float = 0.02) -> dict[str, float | None]:
    return {"value": value, "low": value - below, "high": value + above}


def detection_row(degraded: Figures, clean: Figures, change: Figures | None = None) -> Figures:
    return {"clean": clean, "degraded": degraded, "enhanced": degraded, "change": change or interval(0.0)}


def restoration_row(psnr_gain: Figures | None = None, ssim_gain: Figures | None = None) -> Figures:
    return {
        **{f"{figure}_{what}": interval(20.0) for figure in ("psnr", "ssim") for what in ("degraded", "enhanced")},
        "psnr_gain": psnr_gain or interval(0.0),
        "ssim_gain": ssim_gain or interval(0.0),
    }


def metrics_of(
    clean: Figures, conditions: dict[str, dict[str, Figures]], restoration: dict[str, dict[str, Figures]] | None = None
) -> Figures:
    """Figures as the evaluation gives them, with given rows by degradation and severity."""
    mean, restored = detection_row(clean, clean), restoration or {"jpeg": {"1": restoration_row()}}
    counts = {"tn": interval(40.0), "fp": interval(10.0), "fn": interval(5.0), "tp": interval(45.0)}
    return {
        "headline": {
            "auroc": clean,
            "psnr_gain_db": interval(1.0),
            "auroc_change_by_enhancement": mean["change"],
        },
        "faces": {"test": 100, "groups": 50, "under_degradation": 100},
        "threshold": 0.5,
        "detection": {**{name: interval(0.01, 0.0, 0.0) for name in METRIC_NAMES}, "auroc": clean, **counts},
        "detection_by_condition": {**conditions, "mean": mean},
        "restoration": {**restored, "mean": restoration_row()},
    }


def random_records(seed: int) -> CardRecords:
    """Records in which no number is round, and none is that of another seed."""
    rng = np.random.default_rng(seed)

    def share() -> float:
        return float(rng.uniform(0.51, 0.99))

    def count() -> int:
        return int(rng.integers(1000, 100_000))

    def around() -> dict[str, float | None]:
        value = share()
        return {"value": value, "low": value - share() / 7, "high": value + share() / 7}

    degradations = {"gaussian_blur": ("2", "10"), "salt_and_pepper": ("3",)}
    detection = ("clean", "degraded", "enhanced", "change")
    restoration = [f"{figure}_{what}" for figure in ("psnr", "ssim") for what in ("degraded", "enhanced", "gain")]

    def table(names: Any) -> Figures:
        return {
            **{key: {s: {name: around() for name in names} for s in of_one} for key, of_one in degradations.items()},
            "mean": {name: around() for name in names},
        }

    counts = {name: {key: float(count()) for key in UNDEFINED} for name in ("tn", "fp", "fn", "tp")}
    return CardRecords(
        study=DatasetStudy(name="planted", layout="manifest", height=count() % 900 + 32, width=count() % 900 + 32),
        split_counts={split: {"real": count(), "forged": count()} for split in ("train", "calibration", "test")},
        rejected={"no_face": count(), "duplicate": count()},
        near_duplicates=count(),
        metrics={
            "headline": {
                "auroc": around(),
                "psnr_gain_db": around(),
                "auroc_change_by_enhancement": around(),
            },
            "faces": {"test": count(), "groups": count(), "under_degradation": count()},
            "threshold": share(),
            "detection": {**{name: around() for name in METRIC_NAMES}, **counts},
            "detection_by_condition": table(detection),
            "restoration": table(restoration),
        },
        operating_point={
            "rule": "the best of all",
            "threshold": share(),
            "calibration_faces": count(),
            "calibration": {"auroc": share(), "recall": share()},
        },
        detector=NetworkFacts("cnn", "A network.", {"image_size": count(), "widths": (count(), count())}, count()),
        enhancer=NetworkFacts("unet", "Another network.", {}, count()),
        geometry=CropGeometry(
            kind="given",
            height=count() % 900 + 32,
            width=count() % 900 + 32,
            faces=FaceParams(min_score=share(), min_size=count() % 900 + 32),
            face_box=(share(), share(), share(), share()),
            aspect=share(),
        ),
        detector_history=[
            {"epoch": float(epoch + count()), "val_loss": share() + (epoch != 1), "val_auroc": share()}
            for epoch in range(count() % 50 + 5)
        ],
        enhancer_history=[{"epoch": float(count()), "val_loss": share(), "val_psnr": share()}],
        training={"detector": {"learning_rate": share() / 1000, "max_epochs": count(), "flip": True}},
        parameters={"compute": {"seed": count()}, "evaluation": {"confidence": share(), "resamples": count()}},
        judged=count(),
        hashes={"detector": rng.bytes(32).hex(), "enhancer": rng.bytes(32).hex()},
        packages={"torch": f"{count()}.{count()}"},
        gate={"rule": "not worse", "champion": "2f", "auroc_change": around(), "forced": False},
    )
