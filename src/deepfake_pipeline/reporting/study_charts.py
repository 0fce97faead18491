"""Charts of the study: what each repair changes under each condition, and how good detectors are with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from deepfake_pipeline.reporting.charts import Chart, LineChart, Series, png
from deepfake_pipeline.reporting.study import CLEAN, CONTROL, NONE, PLAIN
from deepfake_pipeline.reporting.study_words import repair_name

Figures = Mapping[str, Any]

COLOURS = "PuOr"
"""Diverging, and told apart by readers with any colour vision: violet helps, orange hurts."""


@dataclass(frozen=True)
class Panel:
    """One heat map: values by row and column, and which of them are beyond doubt."""

    title: str
    values: Sequence[Sequence[float | None]]
    certain: Sequence[Sequence[bool]]


@dataclass(frozen=True)
class ChangeMaps(Chart):
    """Heat maps of changes beside one another, on one scale about 0; a dot marks what is beyond doubt.

    Attributes:
        title: of all.
        columns: names of the columns of every panel.
        rows: names of the rows of every panel.
        panels: rows of panels.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[str]
    panels: Sequence[Sequence[Panel]]

    @property
    def reach(self) -> float:
        """The largest change, at least 0.01, so that noise is not drawn in full colour."""
        values = [value for line in self.panels for panel in line for row in panel.values for value in row]
        return max([0.01, *(abs(value) for value in values if value is not None)])

    def picture(self) -> bytes:
        """The maps as PNG."""
        down, across = len(self.panels), max(len(line) for line in self.panels)
        size = (1.2 + across * (0.5 + 0.5 * len(self.columns)), 0.9 + down * (0.6 + 0.32 * len(self.rows)))
        figure = Figure(figsize=size, dpi=110, layout="constrained")
        grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
        drawn = None
        for axes_row, line in zip(grid, self.panels, strict=True):
            for axes, panel in zip(axes_row, line, strict=True):
                shades = np.array(panel.values, dtype=float)
                drawn = axes.imshow(shades, cmap=COLOURS, vmin=-self.reach, vmax=self.reach, aspect="auto")
                marked = np.argwhere(np.array(panel.certain, dtype=bool))
                axes.plot(marked[:, 1], marked[:, 0], linestyle="", marker="o", markersize=3, color="black")
                axes.set_title(panel.title, fontsize=8, loc="left")
                axes.set_xticks(range(len(self.columns)), self.columns)
                axes.set_yticks(range(len(self.rows)), self.rows)
                axes.tick_params(labelsize=7, length=0)
        if drawn is not None:
            bar = figure.colorbar(drawn, ax=grid, shrink=0.6, pad=0.01)
            bar.ax.tick_params(labelsize=7)
        figure.suptitle(self.title, fontsize=10, x=0.01, ha="left")
        return png(figure)

    def plotly(self) -> dict[str, Any]:
        """The maps as Plotly's JSON."""
        down, across = len(self.panels), max(len(line) for line in self.panels)
        traces: list[dict[str, Any]] = []
        layout: dict[str, Any] = {"title": {"text": self.title}, "plot_bgcolor": "white", "annotations": []}
        layout["coloraxis"] = {"colorscale": COLOURS, "cmin": -self.reach, "cmax": self.reach}
        layout["height"] = 120 + down * (60 + 26 * len(self.rows))
        for number, (row, column, panel) in enumerate(self._placed(), 1):
            mark = "" if number == 1 else str(number)
            left, right = _span(column, across, 0.02)
            bottom, top = _span(down - 1 - row, down, 0.08)
            traces.append(
                {
                    "type": "heatmap",
                    "name": panel.title,
                    "x": list(self.columns),
                    "y": list(self.rows),
                    "z": [list(line) for line in panel.values],
                    "text": [["●" if sure else "" for sure in line] for line in panel.certain],
                    "texttemplate": "%{text}",
                    "coloraxis": "coloraxis",
                    "xaxis": f"x{mark}",
                    "yaxis": f"y{mark}",
                }
            )
            layout[f"xaxis{mark}"] = {"domain": [left, right], "anchor": f"y{mark}", "type": "category"}
            layout[f"yaxis{mark}"] = {
                "domain": [bottom, top],
                "anchor": f"x{mark}",
                "autorange": "reversed",
                "showticklabels": column == 0,
            }
            layout["annotations"].append(
                {
                    "text": panel.title,
                    "x": left,
                    "y": top,
                    "xref": "paper",
                    "yref": "paper",
                    "xanchor": "left",
                    "yanchor": "bottom",
                    "showarrow": False,
                    "font": {"size": 11},
                }
            )
        return {"data": traces, "layout": layout}

    def _placed(self) -> Iterator[tuple[int, int, Panel]]:
        for row, line in enumerate(self.panels):
            for column, panel in enumerate(line):
                yield row, column, panel


def _span(number: int, count: int, gap: float) -> tuple[float, float]:
    """Part of [0, 1] that the panel of this number takes."""
    width = (1 - gap * (count - 1)) / count
    low = number * (width + gap)
    return low, min(1.0, low + width)


def change_maps(figures: Figures) -> ChangeMaps:
    """ΔAUROC by degradation and severity: a row of panels a detector and training, a column a repair."""
    repairs = [name for name in figures["repairs"] if name != NONE]
    rows, columns = figures["degradations"], figures["severities"]
    lines = [
        [
            _panel(
                f"{detector}, {training}: {repair.replace('_', ' ')}",
                _chosen(figures, detector, training, repair),
                rows,
                columns,
            )
            for repair in repairs
        ]
        for detector in figures["detectors"]
        for training in figures["trainings"]
    ]
    names = [name.replace("_", " ") for name in rows]
    return ChangeMaps(
        "Change of AUROC by degradation and severity (dot: beyond doubt in every seed)",
        [str(severity) for severity in columns],
        names,
        lines,
    )


def severity_chart(figures: Figures) -> LineChart:
    """Mean AUROC against severity, over degradations and detectors, with each repair and each training.

    With a repair: that of all faces without it, and what it changes on the faces to which it was done.
    """
    severities = [0, *figures["severities"]]
    without = {_condition(cell): cell["auroc"]["value"] for cell in figures["cells"] if cell["repair"] == NONE}

    def of_all(cell: Figures) -> float | None:
        before, change = without[_condition(cell)], cell["change"]["value"] if cell["repair"] != NONE else 0.0
        return None if before is None or change is None else before + change

    series = []
    for training in figures["trainings"]:
        for repair in figures["repairs"]:
            if training == CONTROL and repair not in (NONE, "enhancer"):
                continue  # eight lines say less than five
            kind = "" if training == PLAIN else "trained with degradations, "
            cells = [c for c in figures["cells"] if (c["training"], c["repair"]) == (training, repair)]
            means = [_mean(of_all(cell) for cell in cells if cell["severity"] == step) for step in severities]
            series.append(Series(f"{kind}{repair_name(repair)}", [float(step) for step in severities], means))
    return LineChart(
        "AUROC by severity, mean over degradations and detectors",
        "severity (0: faces as they are)",
        "AUROC",
        series,
        x_ticks=severities,
    )


def _condition(cell: Figures) -> tuple[Any, ...]:
    """All that a cell shares with the one without repair."""
    return tuple(cell[name] for name in ("degradation", "severity", "detector", "training", "seed"))


def _chosen(figures: Figures, detector: str, training: str, repair: str) -> list[Figures]:
    return [
        cell
        for cell in figures["cells"]
        if (cell["detector"], cell["training"], cell["repair"]) == (detector, training, repair)
        and cell["degradation"] != CLEAN
    ]


def _panel(title: str, cells: Sequence[Figures], rows: Sequence[str], columns: Sequence[int]) -> Panel:
    at: dict[tuple[str, int], list[Figures]] = {}
    for cell in cells:
        at.setdefault((cell["degradation"], cell["severity"]), []).append(cell)
    places = [[at.get((row, column), []) for column in columns] for row in rows]
    return Panel(
        title,
        [[_mean(cell["change"]["value"] for cell in place) for place in line] for line in places],
        [[_certain(place) for place in line] for line in places],
    )


def _certain(cells: Sequence[Figures]) -> bool:
    verdicts = {cell["verdict"] for cell in cells}
    return len(verdicts) == 1 and "undetectable" not in verdicts


def _mean(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
