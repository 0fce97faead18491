"""From log-odds to verdicts: of a face, and from the faces of a file to one probability and one verdict for it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal, NamedTuple

import numpy as np

from deepfake_pipeline.metrics.classification import Floats
from deepfake_pipeline.scoring.calibration import Calibrator
from deepfake_pipeline.scoring.conformal import NEVER, UnsureRule
from deepfake_pipeline.scoring.stability import steady

Row = dict[str, Any]
Verdict = Literal["real", "fake", "unsure"]


class Said(NamedTuple):
    """What is said of a face.

    Attributes:
        logit: calibrated log-odds that it is forged.
        fake_probability: in [0, 1].
        verdict: real, fake or unsure.
        margin: nats by which it lies beyond the threshold, below 0 on the side of real faces; where the rule asks for
            several versions of the face, what they say together.
        least_margin: nats from the threshold that a verdict needs at this quality; infinity where none is given.
    """

    logit: float
    fake_probability: float
    verdict: Verdict
    margin: float
    least_margin: float


@dataclass(frozen=True)
class VerdictRule:
    """How log-odds of a network become probabilities and verdicts.

    Attributes:
        threshold: calibrated fake probability from which the verdict is fake, where one is given.
        calibrator: what the log-odds are worth.
        unsure: when no verdict is given; None gives one always.
    """

    threshold: float
    calibrator: Calibrator = field(default_factory=Calibrator)
    unsure: UnsureRule | None = None

    @classmethod
    def of_operating_point(cls, point: Mapping[str, Any]) -> VerdictRule:
        """The rule that ``scoring.threshold.choose_operating_point`` chose; older points had a threshold alone."""
        unsure = point.get("unsure")
        return cls(
            float(point["threshold"]),
            Calibrator.from_json(point.get("calibrator")),
            None if unsure is None else UnsureRule.from_json(unsure),
        )

    @property
    def stability(self) -> bool:
        """Whether re-encodings of each face have to be judged."""
        return self.unsure is not None and self.unsure.stability

    def margins(self, raw: Floats) -> Floats:
        """Signed margins (nats) from raw log-odds ``(N, V)`` of faces and their versions, ``(N,)``."""
        return steady(self.calibrator.logit(raw) - _logit(self.threshold))

    def say(self, raw: Floats, sharpness: float, size: float | None = None) -> Said:
        """Probability and verdict of a face.

        Args:
            raw: log-odds by the network, ``(V,)``: of the face, and of its re-encodings where the rule asks for them.
            sharpness: of the crop.
            size: px of the shorter side of its box; None where it is not known.
        """
        logit = float(self.calibrator.logit(raw[0]))
        probability = float(np.float32(sigmoid(logit)))
        margin = float(self.margins(raw[None])[0])
        side = _side(probability, self.threshold)
        if self.unsure is None:
            return Said(logit, probability, side, margin, 0.0)
        least = self.unsure.least(sharpness, size)
        given = least < NEVER and abs(margin) >= least
        return Said(logit, probability, side if given else "unsure", margin, least)


def file_row(file: Row, faces: Sequence[tuple[int | None, Said]], threshold: float) -> Row:
    """The row of a file, from what is said of its faces.

    An image is as forged as its most forged face. A video is as forged as its most forged person, and a person as
    the mean of the logits of all of its faces: one frame that is misjudged does not decide. The file is fake where a
    person is, else unsure where a person is, else real. A person in a video is unsure where the mean of the margins is
    less than half of its faces would have to have.

    Args:
        file: what is known of the file; ``reason`` says why nothing, or not all of it, could be used.
        faces: the track of each, and what is said of it; a face without a track is its own person.
        threshold: probability from which the verdict is ``fake``.
    """
    if not faces:
        return {**file, "verdict": "no_face" if file.get("reason") == "no_face" else None}
    persons = _persons(faces, threshold)
    verdicts = {verdict for _, verdict in persons}
    verdict = next(name for name in ("fake", "unsure", "real") if name in verdicts)
    return {**file, "fake_probability": max(probability for probability, _ in persons), "verdict": verdict}


def _persons(faces: Sequence[tuple[int | None, Said]], threshold: float) -> list[tuple[float, Verdict]]:
    """Probability and verdict of each person."""
    tracks: dict[int, list[Said]] = defaultdict(list)
    alone = []
    for track, said in faces:
        if track is None:
            alone.append((said.fake_probability, said.verdict))
        else:
            tracks[track].append(said)
    return alone + [_person(faces_of_one, threshold) for faces_of_one in tracks.values()]


def _person(faces: Sequence[Said], threshold: float) -> tuple[float, Verdict]:
    probability = sigmoid(math.fsum(said.logit for said in faces) / len(faces))
    margin = math.fsum(said.margin for said in faces) / len(faces)
    least, side = median(said.least_margin for said in faces), _side(probability, threshold)
    beyond = margin if side == "fake" else -margin
    given = least == 0 or (least < NEVER and beyond >= least)
    return probability, side if given else "unsure"


def _side(probability: float, threshold: float) -> Verdict:
    return "fake" if probability >= threshold else "real"


def _logit(probability: float) -> float:
    """Log-odds of a probability, kept finite at 0 and 1."""
    inside = min(max(probability, 1e-12), 1 - 1e-12)
    return math.log(inside / (1 - inside))


def sigmoid(logit: float) -> float:
    """Probability of log-odds, in [0, 1]."""
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    return math.exp(logit) / (1 + math.exp(logit))
