"""Charts of a training run."""

from __future__ import annotations

from collections.abc import Sequence

from deepfake_pipeline.reporting.charts import LineChart, Series


def history_chart(title: str, history: Sequence[dict[str, float]]) -> LineChart:
    """Training and validation loss by epoch, and the epoch that was kept (lowest validation loss)."""
    epochs = [row["epoch"] + 1 for row in history]
    best = min(history, key=lambda row: row["val_loss"])
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
