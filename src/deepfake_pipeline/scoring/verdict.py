"""From the faces of a file to one probability and one verdict for the file."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]


def file_row(file: Row, faces: Sequence[tuple[Row, float]], threshold: float) -> Row:
    """The row of a file, from those of its faces.

    An image is as forged as its most forged face. A video is as forged as its most forged person, and a person as
    the mean of the logits of all of its faces: one frame that is misjudged does not decide.

    Args:
        file: what is known of the file; ``reason`` says why nothing, or not all of it, could be used.
        faces: rows of its faces, and the logit of each; a face without a track is its own person.
        threshold: probability from which the verdict is ``fake``.
    """
    if not faces:
        return {**file, "verdict": "no_face" if file.get("reason") == "no_face" else None}
    probability = max(_by_person(faces))
    return {**file, "fake_probability": probability, "verdict": "fake" if probability >= threshold else "real"}


def _by_person(faces: Sequence[tuple[Row, float]]) -> list[float]:
    persons: dict[int, list[float]] = defaultdict(list)
    alone = []
    for row, logit in faces:
        if row.get("track") is None:
            alone.append(float(row["fake_probability"]))
        else:
            persons[row["track"]].append(logit)
    return alone + [sigmoid(math.fsum(logits) / len(logits)) for logits in persons.values()]


def sigmoid(logit: float) -> float:
    """Probability of log-odds, in [0, 1]."""
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    return math.exp(logit) / (1 + math.exp(logit))
