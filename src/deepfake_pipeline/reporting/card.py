"""The model card: what a release is, what it may be used for, how good it is and where it fails.

It is made from records alone; the words of use and misuse stand in the template, the figures nowhere but in records.
"""

from __future__ import annotations

import inspect
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

import jinja2
from markdown_it import MarkdownIt
from markupsafe import Markup
from torch import nn

from deepfake_pipeline.faces import GivenParams
from deepfake_pipeline.faces.geometry import CropGeometry
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.models.store import network_name, parameter_count
from deepfake_pipeline.reporting import findings
from deepfake_pipeline.reporting.evaluation import interval_text
from deepfake_pipeline.reporting.report import (
    FACES_OF,
    METRIC_NAMES,
    clean_sentences,
    number_text,
    percent_text,
    quality_names,
    verdict,
    verdict_sentences,
)
from deepfake_pipeline.reporting.training import kept_of
from deepfake_pipeline.tables.splits import SPLITS

NOT_RECORDED = "not recorded"
_CROPS = {
    "aligned": "cut around the face, turned and scaled by five landmarks",
    "box": "the square around the face box",
    "given": "as they came with the data; a new face is cut so that it lies where faces lie in them",
    "whole": "the whole image",
}
_SPECIAL = re.compile(r"([\\`*_\[\]<>|&~$#])")


@dataclass(frozen=True)
class NetworkFacts:
    """What is told of a network.

    Attributes:
        name: by which it is looked up.
        description: one sentence.
        config: fields of its configuration.
        parameters: number of trainable parameters.
    """

    name: str
    description: str
    config: Mapping[str, Any]
    parameters: int


@dataclass(frozen=True)
class CardRecords:
    """What a card is made of; what is None or empty was not recorded, and the card says so.

    Attributes:
        study: the parameters of the data.
        split_counts: files by split and class (``real``, ``forged``).
        rejected: number of refused files and faces by reason; empty: none was refused.
        near_duplicates: pairs of alike pictures that lie in different splits.
        certificate: what the certificate of the splits says.
        metrics: what :func:`reporting.judge.judge` gave.
        operating_point: what ``scoring.threshold.choose_operating_point`` gave.
        detector: the network that judges.
        enhancer: the network that restores.
        geometry: how a face is cut out of a picture.
        detector_history: figures of each epoch.
        enhancer_history: likewise.
        training: settings of training, presets resolved, by network (``detector``, ``enhancer``).
        parameters: parameter groups of the run as a user gives them; the level of the intervals is read from
            ``evaluation.confidence``.
        judged: how often the test split of this study was judged so far, this time included.
        hashes: SHA-256 (hex) by name of what it belongs to.
        packages: version by name of the package.
        gate: what the release was held against: ``rule``, ``champion``, ``auroc_change`` (value, low, high, on
            calibration faces), ``forced``.
    """

    study: DatasetStudy
    split_counts: Mapping[str, Mapping[str, int]] | None = None
    rejected: Mapping[str, int] | None = None
    near_duplicates: int | None = None
    certificate: str = ""
    metrics: Mapping[str, Any] | None = None
    operating_point: Mapping[str, Any] | None = None
    detector: NetworkFacts | None = None
    enhancer: NetworkFacts | None = None
    geometry: CropGeometry | None = None
    detector_history: Sequence[Mapping[str, float]] | None = None
    enhancer_history: Sequence[Mapping[str, float]] | None = None
    training: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    judged: int | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    gate: Mapping[str, Any] | None = None


def network_facts(network: nn.Module) -> NetworkFacts:
    """The facts of a network of this project."""
    description = (inspect.getdoc(type(network)) or "").split("\n\n")[0].replace("\n", " ")
    config = asdict(network.config)  # type: ignore[call-overload]
    return NetworkFacts(network_name(network), description, config, parameter_count(network))


def render_card(records: CardRecords) -> tuple[str, str]:
    """The card as Markdown and as one self-contained page; equal records give equal text.

    Of a local source only the name is told, of an address neither password nor query: cards are published.
    """
    networks = {"detector": records.detector, "enhancer": records.enhancer}
    histories = {"detector": records.detector_history, "enhancer": records.enhancer_history}
    study = _public_study(records.study)
    title = f"Model card: {records.detector.name if records.detector else 'detector'} trained on {study['name']}"
    markdown = _markdown_template().render(
        title=title,
        records=records,
        metrics=records.metrics,
        study=study,
        networks=networks,
        kept={name: _kept(history) for name, history in histories.items()},
        splits=_splits(records.split_counts),
        crop=_crop(records.geometry),
        level=_level(records.parameters),
        overlay=_overlay(records, study),
        again=f"repeat-{study['name']}",
        commands=_commands(records.study),
    )
    html = _html_template().render(title=title, body=Markup(_parser().render(markdown)))
    return markdown, html


def _public_study(study: DatasetStudy) -> dict[str, Any]:
    fields = study.model_dump(mode="json")
    if fields["crop"] != "tiles":
        fields = {name: value for name, value in fields.items() if not name.startswith("tile_")}
    return {**fields, "uri": _public_uri(study.uri)}


def _is_web(uri: str) -> bool:
    return uri.startswith(("http://", "https://"))


def _public_uri(uri: str) -> str:
    if _is_web(uri):
        return re.sub(r"^(https?://)[^/]*@", r"\1", re.split(r"[?#]", uri)[0])
    return re.split(r"[\\/]", uri.rstrip("\\/"))[-1]


def _splits(counts: Mapping[str, Mapping[str, int]] | None) -> list[tuple[str, int, int]]:
    known = counts or {}
    order = [*(split for split in SPLITS if split in known), *sorted(known.keys() - set(SPLITS))]
    return [(split, known[split]["real"], known[split]["forged"]) for split in order]


def _crop(geometry: CropGeometry | None) -> dict[str, Any]:
    """How faces are cut, as a table of two columns."""
    if geometry is None:
        return {}
    faces = geometry.faces
    shown = {"crops": _CROPS[geometry.kind], "size, height × width in px": f"{geometry.height} × {geometry.width}"}
    if geometry.kind in ("aligned", "box"):
        shown["margin on each side, share of the face box"] = f"{faces.margin:g}"
    if geometry.kind != "whole":
        shown |= {
            "face detector": faces.detector.name,
            "least score of a face": f"{faces.min_score:g}",
            "smallest face in px": f"{faces.min_size}",
        }
    if isinstance(faces.detector, GivenParams) and geometry.kind != "whole":
        shown["face detector where no boxes are given, as in scoring"] = faces.detector.elsewhere.name
    if geometry.kind == "given" and geometry.face_box:
        shown["x, y, w, h of the face box, shares of the crop"] = ", ".join(f"{at:.3f}" for at in geometry.face_box)
        shown["width over height before resizing"] = f"{geometry.aspect:.3f}"
    return shown


def _kept(history: Sequence[Mapping[str, float]] | None) -> list[dict[str, Any]]:
    """Epochs, and the figures of the one that was kept, of each member."""
    return [
        {
            "epochs": kept.epochs,
            "epoch": kept.epoch,
            "figures": {
                name: f"{kept.row[name]:.4g}" for name in sorted(kept.row.keys() - {"epoch", "kept", "member"})
            },
        }
        for kept in kept_of(history or ())
    ]


def _level(parameters: Mapping[str, Any]) -> str | None:
    confidence = parameters.get("evaluation", {}).get("confidence")
    return None if confidence is None else f"{100 * confidence:g} %"


def _overlay(records: CardRecords, study: Mapping[str, Any]) -> str:
    """The parameters of the run as an overlay; where the data lies on a machine does not belong in it."""
    of_study = {name: value for name, value in study.items() if name != "uri" or _is_web(records.study.uri)}
    groups = {**records.parameters, "study": of_study}
    return json.dumps(groups, indent=2, sort_keys=True, ensure_ascii=False)


def _commands(study: DatasetStudy) -> list[str]:
    """What repeats the run, in a folder of its own, from :func:`_overlay`."""
    again = f"repeat-{study.name}"
    run = ["kedro", "run", "--env", again]
    if study.uri and not _is_web(study.uri):
        run += ["--params", f"study.uri=path/to/{_public_uri(study.uri)}"]
    root = f"{shlex.quote(f'data_root: data/{again}')} > {shlex.quote(f'conf/{again}/globals.yml')}"
    return [" ".join(command.split()) for command in (f"echo {root}", shlex.join(run))]


def _plain(value: Any) -> str:
    """A setting as text: mappings as ``name = value``, lists with commas."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {_plain(value[name])}" for name in sorted(value)) or "default"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item) for item in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value) or "not set"


def _in_markdown(value: Any) -> Any:
    """Text of a record such that Markdown shows it as it is; what is None was not recorded."""
    if value is None:
        return NOT_RECORDED
    if isinstance(value, str) and not isinstance(value, Markup):
        return _SPECIAL.sub(r"\\\1", " ".join(value.split()))
    return value


def _environment(**options: Any) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("deepfake_pipeline.reporting"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )


@cache
def _markdown_template() -> jinja2.Template:
    # HTML's escapes would leave Markdown's own characters alone, so every value is escaped for Markdown instead.
    environment = _environment(autoescape=False, finalize=_in_markdown)
    environment.filters |= {"plain": _plain, "text": interval_text, "verbatim": Markup}
    environment.globals |= {
        "names": METRIC_NAMES,
        "rules": findings,
        "verdict": verdict,
        "verdict_sentences": verdict_sentences,
        "percent": percent_text,
        "number": number_text,
        "quality_names": quality_names,
        "faces_of": FACES_OF,
        "clean_sentences": clean_sentences,
        "title_of": lambda name: name.replace("_", " "),
    }
    return environment.get_template("card.md")


@cache
def _html_template() -> jinja2.Template:
    return _environment(autoescape=True).get_template("card.html")


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")
