"""Cells of a grid can be read, however close their values lie."""

import pytest
from matplotlib.axes import Axes

from deepfake_pipeline.reporting.charts import Grid


@pytest.mark.parametrize("values", [[[0.50, 0.56], [0.80, 0.86]], [[0.0, 5.0], [30.0, 40.0]]])
def test_light_cells_have_black_text_and_dark_ones_white(values, monkeypatch):
    written = {}
    monkeypatch.setattr(Axes, "text", lambda _axes, x, y, text, **how: written.update({(y, x): (text, how["color"])}))
    Grid("t", "x", "y", ["a", "b"], ["c", "d"], values, "{:.2f}", notes=[["n"] * 2] * 2).picture()
    assert [written[place][1] for place in ((0, 0), (0, 1), (1, 0), (1, 1))] == ["black", "black", "white", "white"]
    assert written[0, 1][0] == f"{values[0][1]:.2f}\nn"
