"""The cross-dataset matrix as a picture."""

from __future__ import annotations

from collections.abc import Mapping

from deepfake_pipeline.metrics.intervals import Interval
from deepfake_pipeline.reporting.charts import Grid


def matrix_chart(matrix: Mapping[str, Mapping[str, Interval]]) -> Grid:
    """AUROC with its interval: a row is what a detector was trained on, a column what it judges."""
    rows = list(matrix.values())
    return Grid(
        "AUROC across data sets, 95 % intervals",
        "judged",
        "trained on",
        columns=list(rows[0]),
        rows=list(matrix),
        values=[[cell.value for cell in row.values()] for row in rows],
        number_format="{:.3f}",
        notes=[[f"{cell.low:.3f}–{cell.high:.3f}" for cell in row.values()] for row in rows],
    )
