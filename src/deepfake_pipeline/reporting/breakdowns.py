"""For whom the detector works: the figures of parts of the test faces, and whether parts differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepfake_pipeline.faces.skin import TONES, tone
from deepfake_pipeline.metrics.classification import Floats, auroc, ratio
from deepfake_pipeline.metrics.intervals import Bootstrap, Statistic, as_json, cluster_bootstrap
from deepfake_pipeline.metrics.multiple import bootstrap_p, holm
from deepfake_pipeline.metrics.proportions import share_interval

Figures = dict[str, Any]
Parts = Mapping[str, NDArray[np.bool_]]

FEWEST = 10
"""Faces of each class that a part must have; what is said of fewer is chance."""
TURNED = 15.0
"""Degrees of yaw from which a head is turned; paper 003 saw its detector fail on such faces."""
SIZES = (64, 128, 256)
"""px at which one part by size ends and the next begins."""
UNKNOWN = "unknown"


def break_down(frame: pd.DataFrame, edges: Sequence[float], threshold: float, options: Mapping[str, Any]) -> Figures:
    """AUROC, false alarms and misses by source, method, sharpness, size, pose and skin tone, with tests.

    Each part is compared with the rest of its kind; the p-values are Holm's over all comparisons of the table. A part
    with under 10 real or 10 forged faces has no figures.

    Args:
        frame: clean predictions with the columns of ``tables.schemas.FACE_TRAITS``.
        edges: sharpness at which one part ends and the next begins.
        threshold: of the verdict.
        options: of the bootstrap.

    Returns:
        By kind, ``parts``: rows of ``name``, ``faces``, ``groups``, ``auroc``, ``false_alarms``, ``misses``,
        ``difference`` (to the rest), ``p``, ``p_holm``; and ``gap``, the largest AUROC less the smallest, with the
        names of both.
    """
    found = {
        kind: _of_kind(frame, parts, kind == "method", threshold, options)
        for kind, parts in _kinds(frame, edges).items()
    }
    rows = [row for table in found.values() for row in table["parts"] if row["p"] is not None]
    for row, p in zip(rows, holm([row["p"] for row in rows]).tolist(), strict=True):
        row["p_holm"] = p
    return found


def _kinds(frame: pd.DataFrame, edges: Sequence[float]) -> dict[str, Parts]:
    """The parts of each kind; one that no face is in is left out."""
    real = (frame.label == 0).to_numpy()
    methods = {str(name): real | (frame.method == name).to_numpy() for name in sorted(frame.method.dropna().unique())}
    yaw = frame.yaw.abs()
    kinds: dict[str, dict[str, NDArray[np.bool_]]] = {
        "source": {str(name): (frame.source == name).to_numpy() for name in sorted(frame.source.unique())},
        "method": methods,
        "sharpness": _cut(frame.sharpness, edges),
        "size": _cut(frame["size"], SIZES, " px"),
        "pose": {
            "frontal": (yaw <= TURNED).to_numpy(),
            "turned": (yaw > TURNED).to_numpy(),
            UNKNOWN: yaw.isna().to_numpy(),
        },
        "skin tone": _tones(frame.skin_angle),
    }
    return {kind: {name: mask for name, mask in parts.items() if mask.any()} for kind, parts in kinds.items()}


def _cut(values: pd.Series[float], edges: Sequence[float], unit: str = "") -> dict[str, NDArray[np.bool_]]:
    number = np.searchsorted(edges, values.to_numpy(np.float64), side="right")
    names = [f"under {edges[0]:.0f}{unit}"] if len(edges) else ["all"]
    names += [f"{low:.0f} to {high:.0f}{unit}" for low, high in pairwise(edges)]
    names += [f"{edges[-1]:.0f}{unit} and over"] if len(edges) else []
    known = values.notna().to_numpy()
    return {**{name: known & (number == at) for at, name in enumerate(names)}, UNKNOWN: ~known}


def _tones(angles: pd.Series[float]) -> dict[str, NDArray[np.bool_]]:
    named = np.array([UNKNOWN if pd.isna(angle) else tone(angle) for angle in angles])
    return {name: named == name for name in (*(name for _, name in TONES), "dark", UNKNOWN)}


def _of_kind(
    frame: pd.DataFrame, parts: Parts, shares_real: bool, threshold: float, options: Mapping[str, Any]
) -> Figures:
    """The table of one kind. Parts by method share the real faces: what a forgery was made by, no real face has."""
    labels, groups = frame.label.to_numpy(), frame.group.to_numpy()
    measured = {name: mask for name, mask in parts.items() if min(np.bincount(labels[mask], minlength=2)) >= FEWEST}
    several = len(measured) > 1
    real = labels == 0
    statistics: list[Statistic] = []
    columns: dict[str, int] = {}
    for name, mask in measured.items():
        others = np.any([other for key, other in measured.items() if key != name], axis=0) if several else ~mask
        rest = others & (real | ~mask) if shares_real else others & ~mask
        columns[name] = len(statistics)
        for members in (mask, rest):
            statistics.append(partial(_auroc, frame, members))
        for label in (0, 1):
            statistics.append(partial(_errors, frame, mask & (labels == label), threshold))
    table = cluster_bootstrap(statistics, groups, **options) if statistics else None
    rows = []
    for name, mask in parts.items():
        row: Figures = {"name": name, "faces": int(mask.sum()), "groups": len(np.unique(groups[mask]))}
        row |= dict.fromkeys(("auroc", "false_alarms", "misses", "difference", "p", "p_holm"))
        if name in measured and table is not None:
            own, rest_of, alarms, misses = (table.column(columns[name] + at) for at in range(4))
            row |= {"auroc": as_json(own.interval())}
            for label, what, share in ((0, "false_alarms", alarms), (1, "misses", misses)):
                members = groups[mask & (labels == label)]
                row[what] = as_json(share_interval(share.interval(), members, options["confidence"]))
            if several:
                difference = own.minus(rest_of)
                p = bootstrap_p(difference)
                row |= {"difference": as_json(difference.interval()), "p": None if np.isnan(p) else p}
        rows.append(row)
    gap = _gap({name: table.column(at) for name, at in columns.items()}) if table is not None and several else None
    return {"parts": rows, "gap": gap}


def _auroc(frame: pd.DataFrame, members: NDArray[np.bool_], weights: Floats) -> Floats:
    part = frame[members]
    return auroc(part.label.to_numpy(), part.fake_probability.to_numpy(), weights[:, members])


def _errors(frame: pd.DataFrame, members: NDArray[np.bool_], threshold: float, weights: Floats) -> Floats:
    """Share of faces of one class that are called what they are not."""
    part = frame[members]
    wrong = (part.fake_probability >= threshold).to_numpy() != (part.label == 1).to_numpy()
    inside = weights[:, members]
    return ratio(inside @ wrong.astype(np.float64), inside.sum(axis=1))


def _gap(aurocs: Mapping[str, Bootstrap]) -> Figures:
    """The best part against the worst; chosen after looking, so the gap leans to the large side."""
    ranked = sorted(aurocs, key=lambda name: float(aurocs[name].value[0]))
    worst, best = ranked[0], ranked[-1]  # two parts also where all are equal
    return {"best": best, "worst": worst, "gap": as_json(aurocs[best].minus(aurocs[worst]).interval())}
