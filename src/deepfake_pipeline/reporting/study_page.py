"""The page of the study: one self-contained page that opens with the answer."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from deepfake_pipeline.reporting.evaluation import interval_text
from deepfake_pipeline.reporting.page import page_template
from deepfake_pipeline.reporting.study import CLEAN, NONE
from deepfake_pipeline.reporting.study_words import answer, details, repair_name, strongest

TRAININGS = {"plain": "clean faces", "control": "degraded faces"}


def render_study(
    figures: Mapping[str, Any], study: str, settings: Mapping[str, str], pictures: Sequence[tuple[str, bytes]]
) -> str:
    """The page, with every picture inside it.

    Args:
        figures: what :func:`reporting.study.measure_study` gave.
        study: name of the data set.
        settings: what else a reader has to know, as title and text.
        pictures: captions and PNGs, in order.
    """
    cells = [cell for cell in figures["cells"] if cell["repair"] != NONE and cell["degradation"] != CLEAN]
    return page_template("enhancement_study.html").render(
        figures=figures,
        study=study,
        settings=settings,
        answers=answer(figures),
        details=details(figures),
        strongest=strongest(figures),
        cells=cells,
        images=[(caption, base64.b64encode(picture).decode()) for caption, picture in pictures],
        text=interval_text,
        repair=repair_name,
        training=TRAININGS.__getitem__,
        title=lambda name: name.replace("_", " "),
    )


def settings_of(parameters: Mapping[str, Any], best: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """What a reader has to know of how it was done: parameters, and the classical filters that were chosen."""
    filters = [
        f"{name.replace('_', ' ')}: {', '.join(repair.replace('_', ' ') for repair in dict.fromkeys(steps.values()))}"
        for name, steps in best.items()
    ]
    slow = ", ".join(parameters["slow_repairs"]) or "none"
    return {
        "training": f"preset {parameters['preset']}; controls: {100 * parameters['control_share']:g} % of the groups "
        "degraded afresh in each epoch, with the study's degradations",
        "enhancer trained with a detector": f"{parameters['detectors'][0]}, plain, seed {parameters['seeds'][0]}",
        "classical filters": "; ".join(filters),
        "slow repairs": f"{slow.replace('_', ' ')}, on {parameters['slow_faces']} faces at most",
        "bootstrap": f"{parameters['resamples']} resamples of groups",
    }
