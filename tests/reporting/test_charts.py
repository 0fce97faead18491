"""Charts of many lines: each can be told from the others."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from deepfake_pipeline.degrade import DEGRADATIONS
from deepfake_pipeline.reporting.charts import PALETTE, LineChart, Series


def chart(lines: int) -> LineChart:
    names = [*DEGRADATIONS][:lines]
    series = [Series(name, [1, 2], [number, number], [0, 0], [9, 9]) for number, name in enumerate(names)]
    return LineChart("AUROC", "severity", "AUROC", [*series, Series("clean", [1, 2], [0, 0], style="reference")])


def test_no_two_degradations_look_alike() -> None:
    axes = Figure().add_subplot()
    chart(len(DEGRADATIONS)).draw_on(axes)
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == len(DEGRADATIONS) + 1
    traces = chart(len(DEGRADATIONS)).plotly()["data"]
    assert len({tuple(trace["line"].values()) for trace in traces}) == len(DEGRADATIONS) + 1


@pytest.mark.parametrize(("lines", "crowded"), [(len(PALETTE), False), (len(PALETTE) + 1, True)])
def test_the_legend_of_more_lines_than_colours_stands_beside_them_and_no_interval_hides_them(
    lines: int, crowded: bool
) -> None:
    figure = Figure(layout="constrained")
    axes = figure.add_subplot()
    chart(lines).draw_on(axes)
    figure.canvas.draw()
    legend = axes.get_legend()
    assert legend is not None
    assert (legend.get_window_extent().x0 >= axes.get_window_extent().x1) == crowded
    assert len(axes.collections) == (0 if crowded else lines)
