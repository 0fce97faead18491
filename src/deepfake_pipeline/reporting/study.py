"""What the scores of the study say: a test for every cell, and means over all cells, on the same draws of groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.dataset as pads
from numpy.typing import NDArray
from scipy.special import stdtr

from deepfake_pipeline.metrics.clustered_auroc import Contrast, clustered_auroc, mean_wins, pair_wins
from deepfake_pipeline.metrics.intervals import Bootstrap, Interval, as_json, cluster_bootstrap
from deepfake_pipeline.metrics.multiple import holm
from deepfake_pipeline.tables import Table

Figures = dict[str, Any]
Verdict = Literal["helps", "hurts", "undetectable"]

CLEAN, NONE, PLAIN, CONTROL = "clean", "none", "plain", "control"

_ROUNDING = 1e-12


class Resampling(NamedTuple):
    """How intervals are made: number of resamples, level in (0, 1), seed."""

    resamples: int
    confidence: float
    seed: int


def measure_study(scores: Table, resampling: Resampling) -> Figures:
    """All figures of the study, as JSON values.

    A cell's change is AUROC with a repair minus AUROC without, on the same faces; its interval is that of a single
    test, its verdict that of the whole family: ``helps`` or ``hurts`` where Holm's correction over all tests of the
    study still finds a difference, else ``undetectable``. Means over cells give each cell the same weight and are
    bootstrapped over groups, all cells on the same draws; their verdicts are corrected as a family of their own. The
    mean AUROC of a repair that was not done to all faces is that of all faces without it, and what it changed on its
    own. Two repairs are compared on the faces that both were done to, all pairs of them as a third family.

    Args:
        scores: rows of ``tables.schemas.STUDY_SCORES``.
        resampling: of the means.
    """
    cells, means, faces = [], _Means(), _Faces()
    for condition, frame in _conditions(scores):
        faces.add(frame)
        for (detector, training, seed), part in frame.groupby(["detector", "training", "seed"], sort=True):
            where = {**condition, "detector": detector, "training": training, "seed": int(seed)}
            cells += list(_cell_rows(where, part, resampling.confidence))
            means.add(where, part)
    _correct(cells, resampling.confidence)
    return {
        "confidence": resampling.confidence,
        "faces": faces.counts(),
        "degradations": _names(cells, "degradation"),
        "severities": sorted({cell["severity"] for cell in cells} - {0}),
        "detectors": _names(cells, "detector"),
        "seeds": sorted({cell["seed"] for cell in cells}),
        "repairs": _names(cells, "repair"),
        "trainings": [name for name in (PLAIN, CONTROL) if any(cell["training"] == name for cell in cells)],
        "headline": means.headline(faces, resampling),
        "cells": cells,
    }


def verdict_of(change: Contrast, adjusted: float, confidence: float) -> Verdict:
    """What an adjusted p-value and the sign of a change mean."""
    if np.isnan(adjusted) or adjusted >= 1 - confidence:
        return "undetectable"
    return "helps" if change.interval.value > 0 else "hurts"


def counted(cells: Sequence[Mapping[str, Any]]) -> dict[Verdict, int]:
    """How many degraded cells have each verdict."""
    kinds: tuple[Verdict, ...] = ("helps", "hurts", "undetectable")
    degraded = [cell["verdict"] for cell in cells if cell["repair"] != NONE and cell["degradation"] != CLEAN]
    return {kind: degraded.count(kind) for kind in kinds}


def _conditions(scores: Table) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """The rows of one cell after the other, in the table's order: memory holds one."""
    order = scores.read(["degradation", "severity"]).drop_duplicates()
    for degradation, severity in order.itertuples(index=False):
        where = (pads.field("degradation") == degradation) & (pads.field("severity") == int(severity))
        yield {"degradation": degradation, "severity": int(severity)}, scores.read(where=where)


def _cell_rows(where: dict[str, Any], part: pd.DataFrame, confidence: float) -> Iterator[dict[str, Any]]:
    """A row for each repair under one condition and detector; ``change`` is null for ``none``."""
    of_repair = {name: rows.set_index("face_id") for name, rows in part.groupby("repair", sort=False)}
    without = of_repair[NONE]
    for name, rows in of_repair.items():
        same = without.loc[rows.index]
        together = clustered_auroc(rows.label, np.column_stack([rows.logit, same.logit]), rows.group)
        row: dict[str, Any] = {
            **where,
            "repair": name,
            "faces": len(rows),
            "auroc": as_json(together.contrast([1, 0], confidence).interval),
            "psnr": float(rows.psnr.to_numpy(np.float64).mean()),
        }
        if name != NONE:
            change = together.contrast([1, -1], confidence)
            gain = rows.psnr.to_numpy(np.float64) - same.psnr.to_numpy(np.float64)
            row |= {"change": change, "psnr_gain": float(gain.mean())}
        yield row


def _correct(cells: list[dict[str, Any]], confidence: float) -> None:
    """Holm's correction over the degraded cells; clean ones are shown and belong to no family."""
    changed = [cell for cell in cells if cell["repair"] != NONE]
    family = [cell for cell in changed if cell["degradation"] != CLEAN]
    adjusted = holm([cell["change"].p_value for cell in family])
    found = {id(cell): value for cell, value in zip(family, adjusted, strict=True)}
    for cell in changed:
        change, value = cell.pop("change"), found.get(id(cell), np.nan)
        cell["change"] = as_json(change.interval)
        cell["p_value"], cell["p_adjusted"] = (None if np.isnan(p) else float(p) for p in (change.p_value, value))
        cell["verdict"] = verdict_of(change, value, confidence)


class _Faces:
    """The faces of the study, in one order."""

    def __init__(self) -> None:
        self.table: pd.DataFrame | None = None
        self.least = 0

    def add(self, frame: pd.DataFrame) -> None:
        here = frame[frame.repair == NONE].drop_duplicates("face_id").set_index("face_id")[["label", "group"]]
        if self.table is None:
            self.table = here
        fewest = int(frame.groupby("repair").face_id.nunique().min())
        self.least = min(self.least or fewest, fewest)

    def counts(self) -> Figures:
        assert self.table is not None
        return {"test": len(self.table), "groups": int(self.table.group.nunique()), "slow": self.least}


@dataclass
class _Sum:
    """Matrices of won pairs of several cells of the same faces, added up."""

    wins: NDArray[np.float64]
    faces: pd.Index
    labels: NDArray[Any]
    cells: int = 1


class _Key(NamedTuple):
    """A mean AUROC: of a repair, on the faces that another was done to (``on``), less that of a third (``less``)."""

    training: str
    clean: bool
    repair: str
    on: str = ""
    less: str = ""


class _Means:
    """Sums over cells from which means over cells, and their bootstrap, are made.

    Cells of the same faces share one matrix; those of a repair that is too slow for all faces have another.
    """

    def __init__(self) -> None:
        self.sums: dict[_Key, dict[int, _Sum]] = {}

    def add(self, where: Mapping[str, Any], part: pd.DataFrame) -> None:
        training, clean = where["training"], where["degradation"] == CLEAN
        of_repair = {name: rows.set_index("face_id") for name, rows in part.groupby("repair", sort=False)}
        for name, rows in of_repair.items():
            self._add(_Key(training, clean, name), rows)
            if name != NONE:  # what it is compared with: the same faces without
                self._add(_Key(training, clean, NONE, on=name), of_repair[NONE].loc[rows.index])
        if clean:
            return
        for one, other in combinations(sorted(of_repair.keys() - {NONE}), 2):
            fewer = min(of_repair[one], of_repair[other], key=len)  # the faces of slow repairs are among all
            rows, without = (of_repair[name].loc[fewer.index] for name in (one, other))
            self._add(_Key(training, clean, one, less=other), rows, without)

    def _add(self, key: _Key, rows: pd.DataFrame, without: pd.DataFrame | None = None) -> None:
        labels, of_size = rows.label.to_numpy(), self.sums.setdefault(key, {})
        wins = pair_wins(labels, rows.logit.to_numpy())
        if without is not None:
            wins -= pair_wins(labels, without.logit.to_numpy())
        if len(rows) in of_size:
            of_size[len(rows)].wins += wins
            of_size[len(rows)].cells += 1
        else:
            of_size[len(rows)] = _Sum(wins, rows.index, labels)

    def headline(self, faces: _Faces, resampling: Resampling) -> Figures:
        """Means over degraded cells, by training and repair; how repairs compare, and training with degradations."""
        assert faces.table is not None
        table = faces.table
        keys = sorted(self.sums)

        def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.column_stack([self._mean(key, table, weights) for key in keys])

        drawn = cluster_bootstrap(
            statistic,
            table.group.to_numpy(),
            resamples=resampling.resamples,
            confidence=resampling.confidence,
            seed=resampling.seed,
        )
        column = {key: drawn.column(number) for number, key in enumerate(keys)}

        def of_all(key: _Key) -> Bootstrap:
            without = column[key._replace(repair=NONE)]
            return without if key.repair == NONE else without.minus(column[_without(key)].minus(column[key]))

        found: dict[str, Figures] = {}
        between: dict[str, list[Figures]] = {}
        changes: list[tuple[Figures, Bootstrap]] = []
        differences: list[tuple[Figures, Bootstrap]] = []

        def compare(row: Figures, first: Bootstrap, second: Bootstrap) -> Figures:
            change = first.minus(second)
            row["change"] = as_json(change.interval())
            changes.append((row, change))
            return row

        for key in keys:
            if key.clean or key.on:
                continue
            if key.less:
                pair: Figures = {"repair": key.repair, "less": key.less, "change": as_json(column[key].interval())}
                between.setdefault(key.training, []).append(pair)
                differences.append((pair, column[key]))
                continue
            row: Figures = {"auroc": as_json(of_all(key).interval())}
            if key.repair != NONE:
                compare(row, column[key], column[_without(key)])
            clean = key._replace(clean=True)
            row["clean"] = as_json(of_all(clean).interval()) if clean in column else None
            found.setdefault(key.training, {})[key.repair] = row
        against: Figures = {}
        if {PLAIN, CONTROL} <= found.keys():
            control, plain = _Key(CONTROL, False, NONE), _Key(PLAIN, False, NONE)
            against["training"] = compare({}, column[control], column[plain])
            against["training_over"] = {
                name: compare({}, column[control._replace(on=name)], column[plain._replace(repair=name)])
                for name in found[PLAIN]
                if name != NONE
            }
        for family in (changes, differences):
            _correct_means(family, table.group.nunique(), resampling.confidence)
        return {"by_training": found, "between": between, **against}

    def _mean(self, key: _Key, table: pd.DataFrame, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean AUROC over the cells of a key, for each row of weights of all faces."""
        sums = self.sums[key].values()
        parts = [mean_wins(one.wins, one.labels, weights[:, table.index.get_indexer(one.faces)]) for one in sums]
        return np.sum(parts, axis=0) / sum(one.cells for one in sums)


def _without(key: _Key) -> _Key:
    """The same faces without the repair."""
    return key._replace(repair=NONE, on=key.repair)


def _correct_means(tested: Sequence[tuple[Figures, Bootstrap]], groups: int, confidence: float) -> None:
    changes = [Contrast(Interval(*row["change"].values()), _p_value(drawn, groups)) for row, drawn in tested]
    adjusted = holm([change.p_value for change in changes])
    for (row, _), change, value in zip(tested, changes, adjusted, strict=True):
        row["p_adjusted"] = None if np.isnan(value) else float(value)
        row["verdict"] = verdict_of(change, value, confidence)


def _p_value(drawn: Bootstrap, groups: int) -> float:
    """Of the value over its bootstrapped standard error, as Student's t.

    Counting resamples beyond 0 instead could not fall below 1 / resamples, which a correction for many tests needs.
    """
    samples, value = drawn.samples[np.isfinite(drawn.samples[:, 0]), 0], float(drawn.value[0])
    error = float(samples.std()) if len(samples) else float("nan")
    if error < _ROUNDING:
        return 1.0 if abs(value) < _ROUNDING else float("nan")
    return 2 * float(stdtr(groups - 1, -abs(value) / error))


def _names(cells: Sequence[Mapping[str, Any]], column: str) -> list[str]:
    """In the order in which they come."""
    return [name for name in dict.fromkeys(cell[column] for cell in cells) if name != CLEAN]
