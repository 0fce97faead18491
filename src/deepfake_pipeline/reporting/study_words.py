"""The answer of the study in words, generated from its figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deepfake_pipeline.reporting.study import CLEAN, CONTROL, NONE, PLAIN, counted

Figures = Mapping[str, Any]

REPAIR_NAMES = {
    NONE: "no repair",
    "best_classical": "the best classical filter",
    "enhancer": "the enhancer",
    "router": "the router",
    "joint": "the enhancer trained with a detector",
}
FEW_GROUPS = 20


def repair_name(repair: str) -> str:
    """Name of a repair in a sentence."""
    return REPAIR_NAMES.get(repair, repair.replace("_", " "))


def answer(figures: Figures) -> list[str]:
    """The answer in two sentences that need no statistics; AUROC is told as how often a pair is ranked rightly."""
    return [_about_repairs(figures), _about_training(figures)]


def _about_repairs(figures: Figures) -> str:
    training = PLAIN if PLAIN in figures["headline"]["by_training"] else CONTROL
    rows = figures["headline"]["by_training"][training]
    repairs = {name: row for name, row in rows.items() if name != NONE}
    kinds = {
        kind: [name for name, row in repairs.items() if row["verdict"] == kind]
        for kind in ("helps", "hurts", "undetectable")
    }
    if not repairs:
        return "Whether repairing a degraded face helps detection was not measured: no repair was chosen."
    if kinds["helps"]:
        best = max(kinds["helps"], key=lambda name: repairs[name]["change"]["value"])
        alike = _alike(figures, training, best, kinds["helps"])
        others = [
            f"{_listed(names)} {_verb(kind, names)}{' less' if kind == 'helps' else ''}"
            for kind, names in _others(kinds, [best, *alike])
        ]
        rest = f"; {'; '.join(others)}" if others else ""
        return (
            f"Yes: repairing a degraded face first helps a detector{_most(best, alike)} "
            f"{_effect(rows[NONE], repairs[best])}{_no_more_than(alike)}{rest}."
        )
    if kinds["hurts"]:
        worst = min(kinds["hurts"], key=lambda name: repairs[name]["change"]["value"])
        alike = _alike(figures, training, worst, kinds["hurts"])
        rest = f"; of {_listed(kinds['undetectable'])} no effect can be shown" if kinds["undetectable"] else ""
        every = "all of the ways that were tried hurt" if len(repairs) > 1 and not rest else "it hurts"
        return (
            f"No: repairing a degraded face first does not help a detector, {every}{_most(worst, alike)} "
            f"{_effect(rows[NONE], repairs[worst])}{_no_more_than(alike)}{rest}."
        )
    largest = max(repairs, key=lambda name: abs(repairs[name]["change"]["value"] or 0.0))
    return (
        f"It cannot be told from these {figures['faces']['test']} faces: repairing a degraded face first has no effect "
        f"on detection that can be shown, the largest being that of {repair_name(largest)}, which "
        f"{_effect(rows[NONE], repairs[largest])}."
    )


def _about_training(figures: Figures) -> str:
    headline = figures["headline"]
    if "training" not in headline:
        return "How training with degraded faces would compare was not measured: only one kind of training was chosen."
    trained, rows = headline["training"], headline["by_training"]
    start = {
        "helps": "Training the detector with degraded faces instead helps: it",
        "hurts": "Training the detector with degraded faces instead hurts: it",
        "undetectable": "Of training the detector with degraded faces instead no effect can be shown: it",
    }[trained["verdict"]]
    said = f"{start} {_effect(rows[PLAIN][NONE], {**rows[CONTROL][NONE], **trained})}"
    over = headline["training_over"]
    if over:
        plain = {name: rows[PLAIN][name]["change"]["value"] for name in over}
        best = max(over, key=lambda name: plain[name] if plain[name] is not None else float("-inf"))
        compared = {"helps": "more than", "hurts": "less than", "undetectable": "not measurably apart from what"}
        said += f", {compared[over[best]['verdict']]} {repair_name(best)} gives"
    repairs = {name: row for name, row in rows[CONTROL].items() if name != NONE}
    helping = [name for name, row in repairs.items() if row["verdict"] == "helps"]
    hurting = [name for name, row in repairs.items() if row["verdict"] == "hurts"]
    if helping:
        said += f"; on a detector so trained {_listed(helping)} still {_verb('helps', helping)}"
    elif hurting:
        said += f"; on a detector so trained no repair helps and {_listed(hurting)} {_verb('hurts', hurting)}"
    elif repairs:
        said += "; on a detector so trained no repair has an effect that can be shown"
    return f"{said}."


def details(figures: Figures) -> list[str]:
    """What stands below the answer: how many cells, what else was found, what is too little."""
    said = []
    for training in figures["trainings"]:
        for repair in figures["repairs"]:
            cells = [c for c in figures["cells"] if (c["training"], c["repair"]) == (training, repair)]
            if repair == NONE or not cells:
                continue
            counts = counted(cells)
            kind = "trained on clean faces" if training == PLAIN else "trained with degraded faces"
            said.append(
                f"Detectors {kind}, {repair_name(repair)}: helps in {counts['helps']}, hurts in {counts['hurts']}, "
                f"undetectable in {counts['undetectable']} of {sum(counts.values())} cells."
            )
    faces = figures["faces"]
    if faces["slow"] < faces["test"]:
        said.append(
            f"Slow repairs were done to {faces['slow']} of the {faces['test']} faces: means take what they change on "
            "these for what they would change on all."
        )
    if faces["groups"] < FEW_GROUPS:
        said.append(
            f"The faces are of {faces['groups']} groups; with fewer than {FEW_GROUPS} little can be shown at all."
        )
    return said


def strongest(figures: Figures, most: int = 12) -> list[Figures]:
    """The cells with a detectable effect, the largest first."""
    found = [
        cell
        for cell in figures["cells"]
        if cell["repair"] != NONE and cell["degradation"] != CLEAN and cell["verdict"] != "undetectable"
    ]
    return sorted(found, key=lambda cell: -abs(cell["change"]["value"]))[:most]


def _effect(before: Figures, after: Figures) -> str:
    change = after["change"]
    if change["value"] is None or before["auroc"]["value"] is None:
        return "has no figure, since one class is missing"
    moved = "raises" if change["value"] >= 0 else "lowers"
    to = after["auroc"]["value"]
    span = "" if change["low"] is None else f" ({100 * change['low']:+.1f} to {100 * change['high']:+.1f} points)"
    return (
        f"{moved} the share of pairs of a forged and a real face that are ranked rightly from "
        f"{100 * (to - change['value']):.1f} % to {100 * to:.1f} %{span}"
    )


def _alike(figures: Figures, training: str, first: str, names: Sequence[str]) -> list[str]:
    """Of the names those whose effect cannot be told from that of the first."""
    pairs = {frozenset((row["repair"], row["less"])): row for row in figures["headline"]["between"].get(training, ())}
    others = [name for name in names if name != first]
    return [name for name in others if pairs[frozenset((first, name))]["verdict"] == "undetectable"]


def _most(first: str, alike: Sequence[str]) -> str:
    return f"; {repair_name(first)}" if alike else f", most of all {repair_name(first)}, which"


def _no_more_than(alike: Sequence[str]) -> str:
    if not alike:
        return ""
    return f", which is not measurably more than what {_listed(alike)} {'do' if len(alike) > 1 else 'does'}"


def _others(kinds: Mapping[str, Sequence[str]], named: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    for kind, names in kinds.items():
        rest = [name for name in names if name not in named]
        if rest:
            yield kind, rest


def _verb(kind: str, names: Sequence[str]) -> str:
    one = len(names) == 1
    if kind == "undetectable":
        return "has no effect that can be shown" if one else "have no effect that can be shown"
    return kind if one else kind.removesuffix("s")


def _listed(names: Sequence[str]) -> str:
    words = [repair_name(name) for name in names]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
