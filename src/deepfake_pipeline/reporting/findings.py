"""What follows from the figures of an evaluation: where the detector fails, where enhancing hurts, what is not known.

Everything here reads the figures of :func:`reporting.judge.judge`; conditions come in the order of their names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from deepfake_pipeline.reporting.evaluation import interval_text

Figures = Mapping[str, Any]
Kind = Literal["low", "drop", "unmeasured", "psnr", "ssim", "auroc"]

CLEAN = "clean faces"
LEAST_AUROC = 0.6
GUESSING = 0.5
FEW_GROUPS = 20
WIDE = 0.1
MISCALIBRATED = 0.05
RARE = 0.01


@dataclass(frozen=True)
class Finding:
    """One condition and what is wrong there.

    Attributes:
        degradation: its name, or ``clean faces``.
        severity: as in the figures; empty on clean faces.
        kind: of a failure: low, drop, unmeasured; of a harm: psnr, ssim, auroc.
        figure: what shows it: an AUROC, a gain or a change, with its interval.
    """

    degradation: str
    severity: str
    kind: Kind
    figure: Mapping[str, float | None]


def known_failures(metrics: Figures) -> list[Finding]:
    """Where the detector is not shown to work, on clean faces and in each degradation × severity.

    ``low``: the lower bound of the AUROC is below 0.6. ``drop``: more than half of what the AUROC of the same faces,
    clean, has over 0.5 is lost; it is not asked where that is nothing. ``unmeasured``: no interval is defined.
    """
    found = []
    for degradation, severity, row in _with_clean(metrics):
        auroc, clean = row["degraded"], row["clean"]
        if auroc["value"] is None or auroc["low"] is None or clean["value"] is None:
            found.append(Finding(degradation, severity, "unmeasured", auroc))
            continue
        if auroc["low"] < LEAST_AUROC:
            found.append(Finding(degradation, severity, "low", auroc))
        margin = clean["value"] - GUESSING
        if margin > 0 and clean["value"] - auroc["value"] > margin / 2:
            found.append(Finding(degradation, severity, "drop", auroc))
    return found


def enhancer_harms(metrics: Figures) -> list[Finding]:
    """Where enhancing makes it worse beyond the interval: PSNR, SSIM, or the AUROC of the detector after it."""
    figures: list[tuple[Kind, str, str]] = [
        ("psnr", "restoration", "psnr_gain"),
        ("ssim", "restoration", "ssim_gain"),
        ("auroc", "detection_by_condition", "change"),
    ]
    return [
        Finding(degradation, severity, kind, row[figure])
        for kind, part, figure in figures
        for degradation, severity, row in conditions(metrics, part)
        if row[figure]["high"] is not None and row[figure]["high"] < 0
    ]


def conditions(metrics: Figures, part: str) -> Iterator[tuple[str, str, Figures]]:
    """Degradation, severity and figures of each row of a table by condition, without the means."""
    table = metrics.get(part) or {}
    for degradation in sorted(table.keys() - {"mean"}):
        for severity in sorted(table[degradation].keys() - {"mean"}, key=float):
            yield degradation, severity, table[degradation][severity]


def sentences(findings: Sequence[Finding]) -> list[str]:
    """The findings in words, those of one degradation and kind together."""
    return [_sentence(list(same)) for _, same in groupby(sorted(findings, key=_order), key=lambda one: _order(one)[:3])]


def limits(metrics: Figures, near_duplicates: int | None = None, judged: int | None = None) -> list[str]:
    """What the figures do not support, each as a sentence.

    Args:
        metrics: the figures.
        near_duplicates: pairs of alike pictures in different splits, where it is known.
        judged: how often the test split was judged so far, where it is known.
    """
    faces, detection = metrics["faces"], metrics["detection"]
    auroc, ece = detection["auroc"], detection["ece"]["value"]
    said = []
    if faces["groups"] < FEW_GROUPS:
        said.append(
            f"The test split has {faces['groups']} groups of faces that belong together; with fewer than {FEW_GROUPS} "
            "every interval here is too narrow."
        )
    if auroc["low"] is None or auroc["high"] is None:
        said.append("The AUROC on clean faces has no interval: nothing is shown by it.")
    else:
        if auroc["high"] - auroc["low"] > WIDE:
            said.append(f"The AUROC on clean faces is known only roughly: {interval_text(auroc)}.")
        if auroc["low"] <= GUESSING:
            said.append("It is not shown that the detector does better than guessing.")
    if ece is not None and ece > MISCALIBRATED:
        said.append(
            f"The fake probability is no frequency: on average it is {ece:.3f} away from the share of forged faces."
        )
    if faces["under_degradation"] < faces["test"]:
        said.append(
            f"Degraded and enhanced faces were measured on {faces['under_degradation']} of the {faces['test']} "
            "test faces."
        )
    if near_duplicates:
        said.append(
            f"Nearly equal pictures lie in different splits (pairs: {near_duplicates}); this can make the figures "
            "too good."
        )
    if judged is not None and judged > 1:
        said.append(
            f"The test split was judged {judged} times; each choice made after a look at it makes its figures too good."
        )
    return [*said, *_when_forgeries_are_rare(detection)]


def _when_forgeries_are_rare(detection: Figures) -> list[str]:
    """What precision becomes where forgeries are rare: it depends on their share, the other rates do not."""
    tn, fp, fn, tp = (detection[name]["value"] for name in ("tn", "fp", "fn", "tp"))
    if None in (tn, fp, fn, tp) or not tn + fp or not tp + fn or not fp + tp:
        return []
    hits, alarms = tp / (tp + fn) * RARE, fp / (tn + fp) * (1 - RARE)
    forged, right = (tp + fn) / (tn + fp + fn + tp), hits / (hits + alarms)
    return [
        f"Precision depends on how many faces are forged: {100 * forged:.1f} % in the test split. Where "
        f"{100 * RARE:g} % are, about {100 * right:.1f} % of the faces called fake would be forged."
    ]


def _with_clean(metrics: Figures) -> Iterator[tuple[str, str, Figures]]:
    clean = metrics["detection"]["auroc"]
    yield CLEAN, "", {"degraded": clean, "clean": clean}
    yield from conditions(metrics, "detection_by_condition")


_WORDS: dict[Kind, str] = {
    "low": f"{{where}}: an AUROC below {LEAST_AUROC:g} cannot be ruled out (lower bound {{low}}).",
    "drop": f"{{where}}: more than half of what clean faces have over {GUESSING:g} is lost (AUROC {{value}}).",
    "unmeasured": "{where}: no interval is defined, so nothing is shown to work.",
    "psnr": "{where}: enhancing lowers the PSNR (by {loss} dB).",
    "ssim": "{where}: enhancing lowers the SSIM (by {loss}).",
    "auroc": "{where}: enhancing lowers the AUROC of the detector (by {loss}).",
}
_KINDS = tuple(_WORDS)


def _order(finding: Finding) -> tuple[bool, str, int, float]:
    clean = finding.degradation == CLEAN
    return not clean, finding.degradation, _KINDS.index(finding.kind), float(finding.severity or 0)


def _sentence(same: Sequence[Finding]) -> str:
    where = same[0].degradation.replace("_", " ")
    if severities := [one.severity for one in same if one.severity]:
        where += f", severity {_listed(severities)}"
    values = [one.figure["value"] for one in same]
    return _WORDS[same[0].kind].format(
        where=where,
        low=_listed([_shown(one.figure["low"], ".3f") for one in same]),
        value=_listed([_shown(value, ".3f") for value in values]),
        loss=_listed([_shown(value and abs(value), ".2g") for value in values]),
    )


def _shown(number: float | None, how: str) -> str:
    return "–" if number is None else format(number, how)


def _listed(items: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]]))
