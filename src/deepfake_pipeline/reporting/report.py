"""The report: one self-contained page that says what was measured, for readers who did not run it."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch import nn

from deepfake_pipeline.media.certificate import in_words
from deepfake_pipeline.models.store import network_name
from deepfake_pipeline.reporting.evaluation import interval_text
from deepfake_pipeline.reporting.page import page_template
from deepfake_pipeline.tables import Table

Figures = dict[str, Any]

METRIC_NAMES = {
    "auroc": "AUROC",
    "average_precision": "average precision",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "eer": "EER",
    "log_loss": "log-loss (nats)",
    "brier": "Brier score",
    "ece": "ECE",
    "ece_debiased": "ECE without the push of small samples",
}


@dataclass(frozen=True)
class Facts:
    """What the report tells besides the metrics.

    Attributes:
        study: name of the data set.
        detector: name of the detector's network.
        enhancer: name of the enhancer's network.
        splits: files by split and class.
        refused: number of refused files and faces by reason.
        near_duplicates: pairs of alike pictures that lie in different splits.
        certificate: what the certificate of the splits says.
    """

    study: str
    detector: str
    enhancer: str
    splits: Mapping[str, Mapping[str, int]]
    refused: Mapping[str, int]
    near_duplicates: int
    certificate: str


def render_report(metrics: Figures, facts: Facts, pictures: Sequence[tuple[str, bytes]]) -> str:
    """The page, with every picture inside it.

    Args:
        metrics: what :func:`reporting.judge.judge` gave.
        facts: about the data and the networks.
        pictures: captions and PNGs, in order.
    """
    images = [(caption, base64.b64encode(picture).decode()) for caption, picture in pictures]
    return page_template("report.html").render(
        metrics=metrics,
        facts=facts,
        answers=headline_sentences(metrics),
        names=METRIC_NAMES,
        images=images,
        text=interval_text,
        percent=percent_text,
        number=number_text,
        quality_names=quality_names,
        faces_of=FACES_OF,
        title=lambda name: name.replace("_", " "),
    )


def collect_facts(
    study: str,
    detector: nn.Module,
    enhancer: nn.Module,
    splits: Mapping[str, Mapping[str, int]],
    rejected: Iterable[Table],
    near_duplicates: Table,
    certificate: Mapping[str, Any],
) -> Facts:
    """The facts from the tables that hold them."""
    reasons = Counter(reason for table in rejected for reason in table.read(["reason"]).reason)
    names = network_name(detector), network_name(enhancer)
    return Facts(study, *names, splits, dict(sorted(reasons.items())), near_duplicates.count(), in_words(certificate))


FACES_OF = {
    "clean": "clean faces",
    "degraded": "degraded faces",
    "clean_enhanced": "clean faces that are enhanced first",
    "enhanced": "degraded faces that are enhanced first",
}
"""Conditions of predictions, in words."""


def headline_sentences(metrics: Figures) -> list[str]:
    """The headline figures, each as a sentence, and what verdicts are worth where that was measured."""
    headline = metrics["headline"]
    auroc, gain, change = (headline[name] for name in ("auroc", "psnr_gain_db", "auroc_change_by_enhancement"))
    return [
        f"On {metrics['faces']['test']} test faces that trained and chose nothing, the detector tells forged from real "
        f"with an AUROC of {interval_text(auroc)}; 0.5 is guessing, 1 is perfect.",
        f"On degraded faces the enhancer changes the PSNR by {interval_text(gain, 2)} dB, compared with doing nothing.",
        f"Enhancing a degraded face first changes the detector's AUROC by {interval_text(change)} on average: "
        f"{verdict(change)}.",
        *clean_sentences(metrics),
        *verdict_sentences(metrics),
    ]


def clean_sentences(metrics: Mapping[str, Any]) -> list[str]:
    """What enhancing does to faces that nothing ails, where that was measured."""
    figures = metrics.get("enhancing_clean")
    if figures is None:
        return []
    change = figures["change"]
    return [f"Enhancing a clean face first changes the AUROC by {interval_text(change)}: {verdict(change)}."]


def verdict_sentences(metrics: Mapping[str, Any]) -> list[str]:
    """On how many faces a verdict is given, how often it is wrong, and how it fares when a picture is stored anew."""
    said = []
    for condition, faces in FACES_OF.items():
        figures = ((metrics.get("verdicts") or {}).get("by_condition") or {}).get(condition)
        if figures is None:
            continue
        if not figures["given"]:
            said.append(f"On {faces} it gives no verdict at all: it is never sure enough.")
            continue
        share, error, upper = percent_text(figures["share"]), percent_text(figures["error"]), figures["error_upper"]
        said.append(
            f"On {faces} it gives a verdict on {share} of them and says unsure of the others; of the verdicts given "
            f"{error} are wrong{'' if upper is None else f', under {100 * upper:.1f} % with 95 % confidence'}."
            + _stability_sentence((metrics.get("stability") or {}).get(condition))
        )
    return said


def _stability_sentence(figures: Mapping[str, Any] | None) -> str:
    if not figures or not figures["with_verdict"]:
        return ""
    kept, wrong = (percent_text(figures["by_reencoding"]["any"][name]) for name in ("kept", "wrong"))
    return (
        f" Stored in twelve other ways, {kept} of them stay as they are, and of the verdicts then given {wrong} are "
        f"wrong; {figures['turned']} of {figures['with_verdict']} faces ever get the opposite one, under "
        f"{100 * figures['turned_upper']:.1f} % with 95 % confidence."
    )


def percent_text(interval: Mapping[str, float | None]) -> str:
    """``41.2 % (38.0 to 44.5)``; what is not defined is a dash."""
    scaled = {name: None if value is None else 100 * value for name, value in interval.items()}
    if scaled["value"] is None:
        return "–"
    if scaled["low"] is None or scaled["high"] is None:
        return f"{scaled['value']:.1f} %"
    return f"{scaled['value']:.1f} % ({scaled['low']:.1f} to {scaled['high']:.1f})"


def quality_names(edges: Sequence[float]) -> list[str]:
    """The parts of sharpness in words."""
    if not edges:
        return ["any"]
    between = [f"{low:.0f} to {high:.0f}" for low, high in pairwise(edges)]
    return [f"under {edges[0]:.0f}", *between, f"{edges[-1]:.0f} and over"]


def number_text(value: float | None, digits: int = 3) -> str:
    """A number, or a dash where it is not defined."""
    return "–" if value is None else f"{value:.{digits}f}"


def verdict(change: Mapping[str, float | None]) -> str:
    """What an interval of a change means in words."""
    low, high = change["low"], change["high"]
    if low is None or high is None:
        return "it could not be measured"
    if low > 0:
        return "it helps detection"
    if high < 0:
        return "it hurts detection"
    return "no effect on detection can be shown with these faces"
