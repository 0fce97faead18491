"""The judgement of repairs on test faces: every figure with its interval, and the router against its rivals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from deepfake_pipeline.faces.describe import packaged_descriptor
from deepfake_pipeline.metrics.intervals import as_json, cluster_mean
from deepfake_pipeline.models.degradation_classifier import NO_DEGRADATION
from deepfake_pipeline.reporting.charts import Grid, LineChart, Panels, Series
from deepfake_pipeline.reporting.judge import Resampling
from deepfake_pipeline.restore.choices import NETWORK, NETWORKS, NOTHING, Choices
from deepfake_pipeline.restore.score import ROUTER
from deepfake_pipeline.tables import Table

Figures = dict[str, Any]

FIGURES = ("psnr", "ssim", "ms_ssim", "gmsd", "mae", "share_within", "identity_cosine", "image_cosine")
SLIGHT = 0.1
"""dB of PSNR that do not count as a loss."""

CHOSEN = "chosen"
"""The classical repair that validation chose for each degradation and severity, as a rival."""


def measure(scores: Table, choices: Choices, tolerance: int, resampling: Resampling) -> Figures:
    """All figures of the trial, as JSON values.

    Args:
        scores: rows of ``tables.schemas.RESTORATION_SCORES``, of test faces.
        choices: what validation found.
        tolerance: with which ``share_within`` was measured.
        resampling: of the bootstrap, clustered by group.
    """
    frame = scores.read()
    frame["degradation"] = frame.degradation.fillna(NO_DEGRADATION)
    frame["severity"] = frame.severity.fillna(0).astype(int)
    degraded = _with_chosen(frame[frame.degradation != NO_DEGRADATION], choices)
    clean = frame[frame.degradation == NO_DEGRADATION]
    surveyed = _surveyed(degraded)
    options = resampling._asdict()
    return {
        "faces": {
            "test": int(frame.face_id.nunique()),
            "groups": int(frame.group.nunique()),
            "surveyed": len(surveyed),
            "validation": choices.faces,
        },
        "confidence": resampling.confidence,
        "tolerance": tolerance,
        "repairs": _by_condition(degraded, options),
        "clean": _clean(clean, options),
        "against_chosen": _against_chosen(degraded, options),
        "against_best_single": _against_best_single(degraded[degraded.face_id.isin(surveyed)], options),
        "classifier": _classifier(frame[frame.repair == ROUTER], options),
        "applied": _applied(frame[frame.repair == ROUTER]),
        "descriptor": dict(packaged_descriptor().trial),
    }


def summarise(figures: Figures) -> Figures:
    """The figures that one compares between runs, flat."""
    over_chosen = figures["against_chosen"]["mean"][ROUTER]
    rivals = figures["against_best_single"].values()
    return {
        "router_psnr_over_chosen_db": over_chosen["psnr"]["value"],
        "router_ssim_over_chosen": over_chosen["ssim"]["value"],
        "router_psnr_over_best_single_db": min(row["psnr"]["difference"]["value"] for row in rivals),
        "router_ssim_over_best_single": min(row["ssim"]["difference"]["value"] for row in rivals),
        "router_clean_untouched": figures["clean"]["untouched"],
        "router_clean_ssim_loss": 1 - figures["clean"][ROUTER]["ssim"]["value"],
        "classifier_accuracy": figures["classifier"]["accuracy"]["value"],
        "classifier_severity_error": figures["classifier"]["severity_error"]["value"],
    }


def _with_chosen(frame: pd.DataFrame, choices: Choices) -> pd.DataFrame:
    """The rows, and once more those of the classical repair that validation chose, under a name of their own."""
    best = {cell: choices.best_classical(cell) for cell in choices.cells}
    chosen = [best[cell] for cell in zip(frame.degradation, frame.severity, strict=True)]
    again = frame[frame.repair.to_numpy() == np.array(chosen, object)].assign(repair=CHOSEN)
    return pd.concat([frame, again], ignore_index=True)


def _surveyed(frame: pd.DataFrame) -> set[str]:
    """The faces on which every repair was tried: those of the most rows."""
    count = frame.groupby("face_id").size()
    return set(count.index[count == count.max()])


def _means(part: pd.DataFrame, names: Sequence[str], options: dict[str, Any]) -> Figures:
    bootstrap = cluster_mean(part[list(names)].to_numpy(np.float64), part.group.to_numpy(), **options)
    return {name: as_json(interval) for name, interval in zip(names, bootstrap.intervals(), strict=True)}


def _by_condition(frame: pd.DataFrame, options: dict[str, Any]) -> Figures:
    """Degradation, severity (or ``mean``), repair: every figure and the number of faces."""

    def row(part: pd.DataFrame) -> Figures:
        return {
            str(repair): {"faces": int(of_one.face_id.nunique()), **_means(of_one, FIGURES, options)}
            for repair, of_one in part.groupby("repair", sort=False)
        }

    everywhere = frame[frame.repair.isin([NOTHING, CHOSEN, NETWORK, ROUTER])]
    table: Figures = {
        degradation: {
            **{str(severity): row(part) for severity, part in of_one.groupby("severity", sort=True)},
            "mean": row(of_one[of_one.repair.isin(_always_tried(of_one))]),
        }
        for degradation, of_one in frame.groupby("degradation", sort=True)
    }
    return {**table, "mean": row(everywhere)}


def _always_tried(frame: pd.DataFrame) -> list[str]:
    """Repairs tried on as many faces at every severity: the mean of others would be over unlike pictures."""
    counts = frame.groupby(["repair", "severity"]).size().unstack(fill_value=0)
    return [str(name) for name in counts.index[counts.min(axis=1) == counts.max(axis=1)]]


def _clean(frame: pd.DataFrame, options: dict[str, Any]) -> Figures:
    """What the network and the router do to faces that nothing ails."""
    router = frame[frame.repair == ROUTER]
    untouched = router.mae == 0
    return {
        "untouched": float(untouched.mean()),
        "touched_psnr": None if untouched.all() else float(router.psnr[~untouched].mean()),
        **{
            name: _means(frame[frame.repair == name], ("psnr", "ssim", "ms_ssim"), options)
            for name in (NETWORK, ROUTER)
        },
    }


def _paired(frame: pd.DataFrame, repair: str, rival: str, options: dict[str, Any]) -> Figures:
    """PSNR and SSIM of a repair less those of a rival, on the pictures on which both were tried.

    ``not_worse`` is the share of these pictures on which it is at most :data:`SLIGHT` behind.
    """
    keys = ["face_id", "group", "degradation", "severity"]
    one, other = (frame.loc[frame.repair == name, [*keys, "psnr", "ssim"]] for name in (repair, rival))
    pairs = one.merge(other, on=keys, suffixes=("", "_rival"), validate="one_to_one")
    gains = pairs.assign(psnr=pairs.psnr - pairs.psnr_rival, ssim=pairs.ssim - pairs.ssim_rival)
    gains["not_worse"] = (gains.psnr >= -SLIGHT).astype(float)
    return _means(gains, ("psnr", "ssim", "not_worse"), options)


def _against_chosen(frame: pd.DataFrame, options: dict[str, Any]) -> Figures:
    """Network and router less the classical repair that validation chose for each degradation and severity."""
    parts = [*frame.groupby("degradation", sort=True), ("mean", frame)]
    return {str(name): {one: _paired(part, one, CHOSEN, options) for one in (NETWORK, ROUTER)} for name, part in parts}


def _against_best_single(frame: pd.DataFrame, options: dict[str, Any]) -> Figures:
    """Router less the classical repair that these very faces show to be best for a degradation, at all severities.

    The rival is chosen by the faces that judge it, which favours the rival.
    """
    rivals = frame[~frame.repair.isin([*NETWORKS, ROUTER, CHOSEN])]
    table: Figures = {}
    for degradation, part in frame.groupby("degradation", sort=True):
        means = rivals[rivals.degradation == degradation].groupby("repair")[["psnr", "ssim"]].mean()
        table[str(degradation)] = {
            figure: {
                "repair": (best := str(means[figure].idxmax())),
                "difference": _paired(part, ROUTER, best, options)[figure],
            }
            for figure in ("psnr", "ssim")
        }
    return table


def _classifier(frame: pd.DataFrame, options: dict[str, Any]) -> Figures:
    """How often the degradation is told, by how far the severity is missed, and what is taken for what."""
    told = frame.assign(
        accuracy=(frame.told == frame.degradation).astype(float),
        severity_error=(frame.told_severity - frame.severity).abs(),
    )
    names = [NO_DEGRADATION, *sorted(set(frame.degradation) - {NO_DEGRADATION})]
    counts = pd.crosstab(frame.degradation, frame.told).reindex(index=names, columns=names, fill_value=0)
    return {
        **_means(told, ("accuracy",), options),
        **_means(told[told.told == told.degradation], ("severity_error",), options),
        "names": names,
        "confusion": counts.to_numpy().tolist(),
    }


def _applied(frame: pd.DataFrame) -> Figures:
    """How often the router applied which repair, by degradation, as shares of its pictures."""
    return {
        str(name): {str(repair): float(share) for repair, share in part.choice.value_counts(normalize=True).items()}
        for name, part in frame.groupby("degradation", sort=True)
    }


def severity_panels(figures: Figures) -> Panels:
    """PSNR against severity, a panel a degradation: degraded, what validation chose, network, router."""
    shown = {NOTHING: "degraded", CHOSEN: "classical, chosen", NETWORK: "network", ROUTER: "router"}
    panels = []
    for degradation, rows in figures["repairs"].items():
        if degradation == "mean":
            continue
        steps = {severity: row for severity, row in rows.items() if severity != "mean"}
        lines = []
        for repair, words in shown.items():
            value, low, high = (
                [row[repair]["psnr"][end] for row in steps.values()] for end in ("value", "low", "high")
            )
            lines.append(Series(words, [float(severity) for severity in steps], value, low, high))
        title = degradation.replace("_", " ")
        panels.append(LineChart(title, "severity", "PSNR (dB)", lines, x_ticks=[float(step) for step in steps]))
    return Panels("PSNR of degraded and repaired test faces", panels)


def confusion_chart(figures: Figures) -> Grid:
    """What the classifier takes each degradation for: counts of pictures."""
    told = figures["classifier"]
    names = [name.replace("_", " ") for name in told["names"]]
    accuracy = told["accuracy"]["value"]
    return Grid(f"Degradations told apart: {accuracy:.1%}", "told", "truth", names, names, told["confusion"])
