"""Charts of a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deepfake_pipeline.reporting.charts import LineChart, Series


def kept_row(history: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    """The row of the epoch whose weights were kept; of histories that do not tell, the one with the lowest loss."""
    marked = [row for row in history if row.get("kept")]
    return marked[0] if marked else min(history, key=lambda row: row["val_loss"])


def history_chart(title: str, history: Sequence[dict[str, float]]) -> LineChart:
    """Training and validation loss by epoch, and the epoch that was kept."""
    epochs = [row["epoch"] + 1 for row in history]
    best = kept_row(history)
    return LineChart(
        title,
        "epoch",
        "loss",
        [
            Series("training", epochs, [row["train_loss"] for row in history]),
            Series("validation", epochs, [row["val_loss"] for row in history]),
            Series("kept", [best["epoch"] + 1], [best["val_loss"]], style="points"),
        ],
    )
