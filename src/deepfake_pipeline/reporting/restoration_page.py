"""The page on restoration: what repairs make of degraded faces, for readers who did not run it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from deepfake_pipeline.reporting.evaluation import interval_text
from deepfake_pipeline.reporting.page import page_template
from deepfake_pipeline.reporting.restoration import CHOSEN, SLIGHT
from deepfake_pipeline.restore.choices import NETWORK, NOTHING
from deepfake_pipeline.restore.score import ROUTER

Figures = dict[str, Any]

ENOUGH_TO_CLAIM = 0.9
"""Same-person AUROC of a descriptor under which its similarities say nothing about identity."""

MAY_LOSE = SLIGHT, 0.005
"""dB of PSNR, and SSIM, by which the router may stay behind a rival before the page says that it loses."""

SHOWN = {
    "psnr": ("PSNR (dB)", 2),
    "ssim": ("SSIM", 3),
    "ms_ssim": ("MS-SSIM", 3),
    "gmsd": ("GMSD (0 = identical)", 3),
    "identity_cosine": ("identity cosine", 3),
    "image_cosine": ("image cosine", 3),
}
"""Figure to its words and decimals, a table each."""

_WORDS = {NOTHING: "degraded", CHOSEN: "classical, as validation chose", NETWORK: "network", ROUTER: "router"}


def render_page(figures: Figures, choices: Figures, study: str, pictures: Sequence[tuple[str, bytes]]) -> str:
    """The page, with every picture inside it.

    Args:
        figures: what :func:`reporting.restoration.measure` gave.
        choices: what :meth:`restore.choices.Choices.to_json` gave.
        study: name of the data set.
        pictures: captions and PNGs, in order.
    """
    return page_template("restoration.html").render(
        figures=figures,
        choices=choices["choices"],
        study=study,
        answers=sentences(figures),
        rows={name: row for name, row in figures["repairs"].items() if name != "mean"},
        shown=SHOWN,
        main=(NOTHING, CHOSEN, NETWORK, ROUTER),
        images=[(caption, base64.b64encode(picture).decode()) for caption, picture in pictures],
        text=interval_text,
        title=_words,
        share="{:.0%}".format,
    )


def sentences(figures: Figures) -> list[str]:
    """The findings, each as a sentence that follows from the figures."""
    return [
        _over_chosen(figures["against_chosen"]["mean"][ROUTER]),
        _over_best_single(figures["against_best_single"]),
        _on_clean_faces(figures["clean"]),
        f"The classifier names the degradation, or that there is none, of "
        f"{interval_text(figures['classifier']['accuracy'])} of the pictures; where it does, it misses the severity by "
        f"{interval_text(figures['classifier']['severity_error'], 2)} steps on average.",
        _paper_accuracy(figures),
        _identity(figures),
    ]


def _over_chosen(row: Figures) -> str:
    return (
        f"Over all degraded test faces, the router less the classical repair that validation chose for each "
        f"degradation and severity: {interval_text(row['psnr'], 2)} dB of PSNR and {interval_text(row['ssim'])} of "
        f"SSIM. That repair is told what ails the face, the router is not."
    )


def _over_best_single(table: Mapping[str, Figures]) -> str:
    lost = []
    for name, row in table.items():
        for (figure, unit, digits), most in zip((("psnr", "dB", 2), ("ssim", "SSIM", 3)), MAY_LOSE, strict=True):
            if (apart := row[figure]["difference"]["value"]) < -most:
                lost.append(f"{_words(name)} ({apart:+.{digits}f} {unit} to {_words(row[figure]['repair'])})")
    rival = "the single classical repair that the judging faces themselves show to be best for a degradation"
    if not lost:
        return f"On no degradation does it stay more than {MAY_LOSE[0]} dB or {MAY_LOSE[1]} SSIM behind {rival}."
    return f"It stays more than {MAY_LOSE[0]} dB or {MAY_LOSE[1]} SSIM behind {rival} on {', '.join(lost)}."


def _words(name: str) -> str:
    return _WORDS.get(name, name.replace("_", " "))


def _on_clean_faces(clean: Figures) -> str:
    touched = "" if clean["touched_psnr"] is None else f"; the others come out at {clean['touched_psnr']:.1f} dB"
    loss = 1 - clean[ROUTER]["ssim"]["value"]
    return (
        f"Of faces that nothing ails it leaves {clean['untouched']:.0%} exactly as they are{touched}. "
        f"The mean loss of SSIM on clean faces is {loss:.4f}."
    )


def _paper_accuracy(figures: Figures) -> str:
    """Paper 000 gives an accuracy of 91 % and does not say of what: two things that it could honestly mean."""
    before, after = (figures["repairs"]["mean"][name] for name in (NOTHING, ROUTER))
    within = [f"{100 * row['share_within']['value']:.1f} %" for row in (before, after)]
    closeness = [f"{100 * (1 - row['mae']['value']):.1f} %" for row in (before, after)]
    return (
        f"An accuracy of restoration, which the paper on this enhancer puts at 91 % without a definition, can mean the "
        f"share of pixels within {figures['tolerance']} of 255 levels of the original: {within[0]} of a degraded face, "
        f"{within[1]} after the router; or 1 minus the mean absolute error: {closeness[0]} and {closeness[1]}. "
        f"The second is high before anything is restored, so it says little."
    )


def _identity(figures: Figures) -> str:
    trial = figures["descriptor"]
    known = (
        f"The descriptor tells {trial['people']} rendered people that it was not fitted on apart with a same-person "
        f"AUROC of {interval_text({'value': trial['auroc'], 'low': trial['low'], 'high': trial['high']})}"
    )
    if trial["auroc"] < ENOUGH_TO_CLAIM:
        return (
            f"{known}, which is under {ENOUGH_TO_CLAIM}: its cosines are given, and nothing about identity is claimed."
        )
    before, after = (figures["repairs"]["mean"][name]["identity_cosine"] for name in (NOTHING, ROUTER))
    return (
        f"{known}. By its cosine to the clean face (1 = the same), degraded faces stand at {interval_text(before)} and "
        f"repaired ones at {interval_text(after)}. It was fitted on rendered people in aligned crops; for photographs "
        f"it is an indication."
    )
