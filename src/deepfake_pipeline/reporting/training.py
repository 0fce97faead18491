"""Charts of a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from deepfake_pipeline.reporting.charts import LineChart, Series


class Kept(NamedTuple):
    """Of one training: how many epochs it had, the number (from 1) of the one whose weights were kept, and its row."""

    epochs: int
    epoch: int
    row: Mapping[str, float]


def kept_of(history: Sequence[Mapping[str, float]]) -> list[Kept]:
    """What each training of a history kept, members of an ensemble in turn.

    Of histories that do not tell, the epoch with the lowest loss.
    """
    trainings: dict[float, list[Mapping[str, float]]] = {}
    for row in history:
        trainings.setdefault(row.get("member", 0.0), []).append(row)
    found = []
    for rows in trainings.values():
        marked = [number for number, row in enumerate(rows) if row.get("kept")]
        best = marked[0] if marked else min(range(len(rows)), key=lambda number: rows[number]["val_loss"])
        found.append(Kept(len(rows), best + 1, rows[best]))
    return found


def history_chart(title: str, history: Sequence[dict[str, float]]) -> LineChart:
    """Training and validation loss by epoch, and the epochs that were kept."""
    epochs = [row["epoch"] + 1 for row in history]
    kept = [found.row for found in kept_of(history)]
    return LineChart(
        title,
        "epoch",
        "loss",
        [
            Series("training", epochs, [row["train_loss"] for row in history]),
            Series("validation", epochs, [row["val_loss"] for row in history]),
            Series("kept", [row["epoch"] + 1 for row in kept], [row["val_loss"] for row in kept], style="points"),
        ],
    )
