"""Charts of an evaluation."""

from __future__ import annotations

from typing import Any

import pyarrow.dataset as pads

from deepfake_pipeline.metrics.calibration import reliability_curve
from deepfake_pipeline.metrics.classification import roc_curve
from deepfake_pipeline.reporting.charts import Grid, LineChart, Series
from deepfake_pipeline.tables import Table

Figures = dict[str, Any]


def roc_chart(predictions: Table, metrics: Figures) -> LineChart:
    """ROC curve on clean test faces."""
    clean = _clean(predictions)
    curve = roc_curve(clean.label.to_numpy(), clean.fake_probability.to_numpy())
    return LineChart(
        f"ROC on {metrics['faces']['test']} test faces: AUROC {interval_text(metrics['detection']['auroc'])}",
        "false alarms: share of real faces called forged",
        "share of forged faces found",
        [
            Series("detector", curve.fpr.tolist(), curve.tpr.tolist()),
            Series("chance", [0.0, 1.0], [0.0, 1.0], style="reference"),
        ],
        y_range=(0.0, 1.02),
    )


def confusion_chart(metrics: Figures) -> Grid:
    """Confusion matrix at the threshold of the verdict."""
    cells = {name: metrics["detection"][name]["value"] for name in ("tn", "fp", "fn", "tp")}
    return Grid(
        f"Confusion at threshold {metrics['threshold']:.3f}",
        "verdict",
        "truth",
        ["real", "fake"],
        ["real", "fake"],
        [[cells["tn"], cells["fp"]], [cells["fn"], cells["tp"]]],
    )


def reliability_chart(predictions: Table, metrics: Figures) -> LineChart:
    """Share of forged faces by predicted probability, on clean test faces."""
    clean = _clean(predictions)
    curve = reliability_curve(clean.label.to_numpy(), clean.fake_probability.to_numpy())
    filled = curve.weight > 0
    return LineChart(
        f"Reliability: ECE {interval_text(metrics['detection']['ece'])}",
        "mean fake probability of the bin",
        "share of forged faces in the bin",
        [
            Series("detector", curve.fake_probability[filled].tolist(), curve.share_forged[filled].tolist()),
            Series("perfect", [0.0, 1.0], [0.0, 1.0], style="reference"),
        ],
        y_range=(0.0, 1.02),
    )


def severity_chart(metrics: Figures, condition: str) -> LineChart:
    """AUROC against severity for every degradation; ``condition`` is degraded or enhanced."""
    table = {name: rows for name, rows in metrics["detection_by_condition"].items() if name != "mean"}
    clean = metrics["detection_by_condition"]["mean"]["clean"]["value"]
    series = [_by_severity(name, rows, condition) for name, rows in table.items()]
    severities = sorted({x for one in series for x in one.x})
    ends = [severities[0], severities[-1]]
    return LineChart(
        f"AUROC on {condition} faces",
        "severity",
        "AUROC",
        [*series, Series("clean", ends, [clean, clean], style="reference")],
        x_ticks=severities,
    )


def gain_chart(metrics: Figures) -> LineChart:
    """PSNR gain of the enhancer over doing nothing, against severity, for every degradation."""
    table = {name: rows for name, rows in metrics["restoration"].items() if name != "mean"}
    series = [
        _by_severity(name, {key: row for key, row in rows.items() if key != "mean"}, "psnr_gain")
        for name, rows in table.items()
    ]
    severities = sorted({x for one in series for x in one.x})
    ends = [severities[0], severities[-1]]
    return LineChart(
        "What the enhancer gains over doing nothing",
        "severity",
        "PSNR gain (dB)",
        [*series, Series("nothing done", ends, [0.0, 0.0], style="reference")],
        x_ticks=severities,
    )


def interval_text(interval: dict[str, float | None], digits: int = 3) -> str:
    """``0.912 (0.874 to 0.943)``; what is not defined is a dash."""
    value, low, high = (interval[name] for name in ("value", "low", "high"))
    if value is None:
        return "–"
    if low is None or high is None:
        return f"{value:.{digits}f} (–)"
    # adding 0.0 turns a rounded -0.0 into 0.0
    shown = [f"{round(number, digits) + 0.0:.{digits}f}" for number in (value, low, high)]
    return f"{shown[0]} ({shown[1]} to {shown[2]})"


def _by_severity(name: str, rows: dict[str, Figures], figure: str) -> Series:
    value, low, high = ([row[figure][end] for row in rows.values()] for end in ("value", "low", "high"))
    return Series(name.replace("_", " "), [float(severity) for severity in rows], value, low, high)


def _clean(predictions: Table) -> Any:
    return predictions.read(["label", "fake_probability"], where=pads.field("condition") == "clean")
