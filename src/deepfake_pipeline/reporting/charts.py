"""Charts described once and drawn twice: as a picture (matplotlib) and interactive (Plotly's JSON)."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart by readers with any colour vision.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999933")
_DASHES = (("-", "o", "solid"), ("--", "s", "dash"), (":", "^", "dot"))  # once through the palette each


@dataclass(frozen=True)
class Series:
    """A line or single points, with an optional interval around each; what is not defined is None."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    low: Sequence[float | None] | None = None
    high: Sequence[float | None] | None = None
    style: Literal["line", "points", "reference"] = "line"


class Chart(ABC):
    """Something drawn twice."""

    @abstractmethod
    def picture(self) -> bytes:
        """PNG."""

    @abstractmethod
    def plotly(self) -> dict[str, Any]:
        """Plotly's JSON."""

    def drawn(self) -> tuple[bytes, dict[str, Any]]:
        """Both."""
        return self.picture(), self.plotly()


@dataclass(frozen=True)
class LineChart(Chart):
    """Lines over a common axis."""

    title: str
    x_title: str
    y_title: str
    series: Sequence[Series]
    y_range: tuple[float, float] | None = None
    x_ticks: Sequence[float] | None = None

    def picture(self) -> bytes:
        """The chart as PNG."""
        figure = Figure(figsize=(8.4 if self._crowded else 6.4, 4.2), dpi=110, layout="constrained")
        self.draw_on(figure.add_subplot())
        return png(figure)

    @property
    def _crowded(self) -> bool:
        """Whether there are more lines than colours: their intervals would hide one another, the legend some lines."""
        return sum(series.style != "reference" for series in self.series) > len(PALETTE)

    def draw_on(self, axes: Axes, legend: bool = True) -> None:
        """Draw the chart; without a legend where a neighbour has the same one."""
        for number, series in enumerate(self.series):
            colour, (dash, marker, _) = _look(number)
            y = np.array(series.y, dtype=float)
            if series.style == "reference":
                axes.plot(series.x, y, color="#888888", linestyle="--", linewidth=1, label=series.name)
                continue
            shape = marker if len(series.x) <= 12 else None
            line = "" if series.style == "points" else dash
            axes.plot(series.x, y, color=colour, linestyle=line, marker=shape, markersize=4, label=series.name)
            if series.low is not None and series.high is not None and not self._crowded:
                low, high = (np.array(end, dtype=float) for end in (series.low, series.high))
                axes.fill_between(series.x, low, high, color=colour, alpha=0.15, linewidth=0)
        _dress(axes, self.title, self.x_title, self.y_title)
        if self.y_range:
            axes.set_ylim(*self.y_range)
        if self.x_ticks is not None:
            axes.set_xticks(list(self.x_ticks))
        if legend and len(self.series) > 1:
            beside: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1, 1)} if self._crowded else {}
            axes.legend(fontsize=8, frameon=False, **beside)

    def plotly(self) -> dict[str, Any]:
        """The chart as Plotly's JSON."""
        traces: list[dict[str, Any]] = []
        for number, series in enumerate(self.series):
            colour, (*_, dash) = _look(number)
            reference = series.style == "reference"
            trace: dict[str, Any] = {
                "type": "scatter",
                "name": series.name,
                "x": list(series.x),
                "y": list(series.y),
                "mode": "markers" if series.style == "points" else "lines",
                "line": {"color": "#888888", "dash": "dash"} if reference else {"color": colour, "dash": dash},
            }
            if series.low is not None and series.high is not None:
                trace["error_y"] = {
                    "array": [_apart(high, y) for high, y in zip(series.high, series.y, strict=True)],
                    "arrayminus": [_apart(y, low) for y, low in zip(series.y, series.low, strict=True)],
                    "thickness": 1,
                }
            traces.append(trace)
        layout: dict[str, Any] = _layout(self.title, self.x_title, self.y_title)
        if self.y_range:
            layout["yaxis"]["range"] = list(self.y_range)
        return {"data": traces, "layout": layout}


@dataclass(frozen=True)
class Panels(Chart):
    """Line charts of the same series side by side, two in a row, each with an axis of its own."""

    title: str
    charts: Sequence[LineChart]

    def picture(self) -> bytes:
        """The panels as PNG."""
        rows = -(-len(self.charts) // 2)
        figure = Figure(figsize=(9.6, 0.4 + 3.1 * rows), dpi=110, layout="constrained")
        figure.suptitle(self.title, fontsize=11, x=0.01, ha="left")
        for number, chart in enumerate(self.charts):
            chart.draw_on(figure.add_subplot(rows, 2, number + 1), legend=number == 0)
        return png(figure)

    def plotly(self) -> dict[str, Any]:
        """The panels as Plotly's JSON, two in a row."""
        rows = -(-len(self.charts) // 2)
        layout: dict[str, Any] = {
            "title": {"text": self.title},
            "grid": {"rows": rows, "columns": 2, "pattern": "independent"},
            "plot_bgcolor": "white",
            "height": 120 + 280 * rows,
        }
        traces = []
        for number, chart in enumerate(self.charts):
            axis = "" if number == 0 else str(number + 1)
            one = chart.plotly()
            for trace in one["data"]:
                shared = {"legendgroup": trace["name"], "showlegend": number == 0}
                traces.append({**trace, **shared, "xaxis": f"x{axis}", "yaxis": f"y{axis}"})
            layout[f"xaxis{axis}"] = {"title": {"text": f"{chart.title}: {chart.x_title}"}}
            layout[f"yaxis{axis}"] = one["layout"]["yaxis"]
        return {"data": traces, "layout": layout}


@dataclass(frozen=True)
class Grid(Chart):
    """A table of counts or scores as coloured cells, each with a note under it if there are any; row 0 is on top."""

    title: str
    x_title: str
    y_title: str
    columns: Sequence[str]
    rows: Sequence[str]
    values: Sequence[Sequence[float]]
    number_format: str = "{:.0f}"
    notes: Sequence[Sequence[str]] | None = None

    def picture(self) -> bytes:
        """The grid as PNG."""
        size = (1.6 + 1.1 * len(self.columns), 1.6 + 0.8 * len(self.rows))
        figure = Figure(figsize=size, dpi=110, layout="constrained")
        axes = figure.add_subplot()
        axes.imshow(self.values, cmap="Blues", aspect="auto")
        lowest, top = (end(value for row in self.values for value in row) for end in (min, max))
        for y, row in enumerate(self.values):
            for x, value in enumerate(row):
                shade = "white" if value - lowest > 0.6 * (top - lowest) else "black"
                note = f"\n{self.notes[y][x]}" if self.notes else ""
                axes.text(x, y, self.number_format.format(value) + note, ha="center", va="center", color=shade)
        axes.set_xticks(range(len(self.columns)), self.columns)
        axes.set_yticks(range(len(self.rows)), self.rows)
        _dress(axes, self.title, self.x_title, self.y_title)
        axes.grid(False)
        return png(figure)

    def plotly(self) -> dict[str, Any]:
        """The grid as Plotly's JSON."""
        layout = _layout(self.title, self.x_title, self.y_title)
        layout["yaxis"]["autorange"] = "reversed"
        trace = {
            "type": "heatmap",
            "x": list(self.columns),
            "y": list(self.rows),
            "z": [list(row) for row in self.values],
            "colorscale": "Blues",
            "texttemplate": "%{z}",
            "showscale": False,
        }
        return {"data": [trace], "layout": layout}


def _look(number: int) -> tuple[str, tuple[str, str, str]]:
    """Colour, and dash, marker and dash by Plotly's name, of a line by its number."""
    return PALETTE[number % len(PALETTE)], _DASHES[number // len(PALETTE) % len(_DASHES)]


def _apart(upper: float | None, lower: float | None) -> float | None:
    return None if upper is None or lower is None else upper - lower


def png(figure: Figure) -> bytes:
    """A figure as PNG whose bytes depend on what is drawn alone: no date, no version of the library."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _dress(axes: Axes, title: str, x_title: str, y_title: str) -> None:
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel(x_title, fontsize=9)
    axes.set_ylabel(y_title, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(True, color="#e5e5e5", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _layout(title: str, x_title: str, y_title: str) -> dict[str, Any]:
    return {
        "title": {"text": title},
        "xaxis": {"title": {"text": x_title}},
        "yaxis": {"title": {"text": y_title}},
        "plot_bgcolor": "white",
    }
