"""What verdicts are worth: how many faces get one, and how many of them are wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepfake_pipeline.metrics.classification import Floats, ratio
from deepfake_pipeline.metrics.intervals import as_json, cluster_bootstrap
from deepfake_pipeline.metrics.proportions import clustered_upper_bound, share_interval

Figures = dict[str, Any]


def verdict_figures(frame: pd.DataFrame, options: Mapping[str, Any]) -> Figures:
    """Share of rows with a verdict, share of wrong ones among them, and its upper bound.

    Args:
        frame: columns ``label``, ``group``, ``verdict`` (real, fake, unsure).
        options: of the bootstrap.

    Returns:
        ``faces``, ``given``, ``wrong``, ``share`` and ``error`` with intervals, ``error_upper``: the error is smaller
        with 95 % confidence, by an exact test in which faces of one group count for fewer; null where no verdict
        is given.
    """
    given = (frame.verdict != "unsure").to_numpy()
    wrong = given & ((frame.verdict == "fake") != (frame.label == 1)).to_numpy()
    groups = frame.group.to_numpy()
    counts: Figures = {"faces": len(frame), "given": int(given.sum()), "wrong": int(wrong.sum())}

    def shares(weights: Floats) -> Floats:
        with_verdict = weights @ given.astype(np.float64)
        error = ratio(weights @ wrong.astype(np.float64), with_verdict)
        return np.stack([ratio(with_verdict, weights.sum(axis=1)), error], axis=-1)

    if not len(frame):
        return {**counts, "share": _undefined(), "error": _undefined(), "error_upper": None}
    share, error = cluster_bootstrap(shares, groups, **options).intervals()
    share = share_interval(share, groups, options["confidence"])
    error = share_interval(error, groups[given], options["confidence"])
    upper = clustered_upper_bound(wrong[given], groups[given]) if given.any() else None
    return {**counts, "share": as_json(share), "error": as_json(error), "error_upper": upper}


def verdicts_by_quality(frame: pd.DataFrame, edges: Sequence[float], options: Mapping[str, Any]) -> Figures:
    """Verdicts on clean, degraded and enhanced faces, over all and by sharpness.

    Args:
        frame: rows of ``tables.schemas.PREDICTIONS``.
        edges: sharpness at which one part ends and the next begins.
        options: of the bootstrap.
    """
    table: Figures = {}
    for condition, rows in frame.groupby("condition", sort=True):
        part: NDArray[np.intp] = np.searchsorted(edges, rows.sharpness.to_numpy(np.float64), side="right")
        by_quality = [verdict_figures(rows[part == number], options) for number in range(len(edges) + 1)]
        table[str(condition)] = {**verdict_figures(rows, options), "by_quality": by_quality}
    return {"edges": [float(edge) for edge in edges], "by_condition": table}


def stability_figures(reencoded: pd.DataFrame, options: Mapping[str, Any]) -> Figures:
    """How verdicts fare when the same picture is stored another way.

    Args:
        reencoded: rows of ``tables.schemas.REENCODED``.
        options: of the bootstrap.

    Returns:
        By condition ``faces``; ``with_verdict``, how many of them have one as they are; ``turned``, how many of these
        get the opposite one at least once, and ``turned_upper``: their share is smaller with 95 % confidence, as
        ``error_upper`` of :func:`verdict_figures`. And by re-encoding, and as ``any``, over face and re-encoding pairs:
        ``opposite``, share of those with a verdict that get the opposite one, ``kept``, share that keeps it, ``side``,
        share of all faces that changes sides, unsure or not, and ``wrong``, share of wrong ones among the verdicts that
        are given after it; with intervals.
    """
    return {str(condition): _stability(rows, options) for condition, rows in reencoded.groupby("condition", sort=True)}


def _stability(reencoded: pd.DataFrame, options: Mapping[str, Any]) -> Figures:
    table = reencoded.pivot(index="face_id", columns="reencoding", values=["verdict", "side"])
    names = [name for name in reencoded.reencoding.unique() if name != "as_it_is"]
    faces = reencoded[reencoded.reencoding == "as_it_is"].set_index("face_id").loc[table.index]
    groups, truth = faces.group.to_numpy(), np.where(faces.label == 1, "fake", "real")
    first, side = (table[what]["as_it_is"].to_numpy() for what in ("verdict", "side"))
    has = first != "unsure"
    counted, among = [], []
    for name in names:
        now, side_now = (table[what][name].to_numpy() for what in ("verdict", "side"))
        given = now != "unsure"
        counted.append([has & given & (now != first), has & (now == first), side_now != side, given & (now != truth)])
        among.append([has, has, np.full(len(has), True), given])
    hit, of = np.array(counted, np.bool_), np.array(among, np.bool_)  # (re-encodings, 4, faces)

    def shares(weights: Floats) -> Floats:
        hits, faces = (np.einsum("rf,nkf->rnk", weights, flags.astype(np.float64)) for flags in (hit, of))
        hits, faces = (np.concatenate([sums, sums.sum(axis=1, keepdims=True)], axis=1) for sums in (hits, faces))
        return ratio(hits, faces).reshape(len(weights), -1)

    intervals = iter(cluster_bootstrap(shares, groups, **options).intervals())
    rows: Figures = {}
    for name, flags in zip([*names, "any"], [*of, of.max(axis=0)], strict=True):
        rows[name] = {}
        for what, some in zip(("opposite", "kept", "side", "wrong"), flags, strict=True):
            rows[name][what] = as_json(share_interval(next(intervals), groups[some], options["confidence"]))
    turned = hit[:, 0].max(axis=0)
    return {
        "faces": len(table),
        "with_verdict": int(has.sum()),
        "turned": int(turned.sum()),
        "turned_upper": clustered_upper_bound(turned[has], groups[has]) if has.any() else None,
        "by_reencoding": rows,
    }


def false_alarm_figures(
    clean: pd.DataFrame, chosen: Sequence[Mapping[str, Any]], options: Mapping[str, Any]
) -> list[Figures]:
    """What thresholds for a rate of false alarms give on test faces.

    Args:
        clean: clean predictions.
        chosen: ``false_alarms`` of an operating point: ``rate`` and ``threshold``, which may be None.
        options: of the bootstrap.
    """
    labels, probability = clean.label.to_numpy(), clean.fake_probability.to_numpy()
    rows = []
    for one in chosen:
        row: Figures = {"rate": one["rate"], "threshold": one["threshold"], "false_alarms": None, "recall": None}
        if one["threshold"] is not None:
            called = probability >= one["threshold"]

            def shares(weights: Floats, called: NDArray[np.bool_] = called) -> Floats:
                within = [weights[:, labels == label] for label in (0, 1)]
                found = [part @ called[labels == label].astype(np.float64) for label, part in enumerate(within)]
                return np.stack([ratio(a, b.sum(axis=1)) for a, b in zip(found, within, strict=True)], axis=-1)

            groups = clean.group.to_numpy()
            intervals = cluster_bootstrap(shares, groups, **options).intervals()
            for label, name in enumerate(("false_alarms", "recall")):
                interval = share_interval(intervals[label], groups[labels == label], options["confidence"])
                row[name] = as_json(interval)
        rows.append(row)
    return rows


def _undefined() -> dict[str, None]:
    return {"value": None, "low": None, "high": None}
