import json
import re
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kedro.config import OmegaConfigLoader
from markdown_it import MarkdownIt
from pydantic import Field

from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.models.meso4 import Meso4
from deepfake_pipeline.models.recurrent_unet import RecurrentUNet
from deepfake_pipeline.reporting import findings
from deepfake_pipeline.reporting.card import CardRecords, network_facts, render_card
from deepfake_pipeline.reporting.evaluation import interval_text
from deepfake_pipeline.reporting.report import FACES_OF, METRIC_NAMES, percent_text
from tests.reporting.records import UNDEFINED, detection_row, interval, metrics_of, random_records

NUMBER = re.compile(r"(?<![\w.-])-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?(?![\w])")
# What the words of a card may count: the ends of a probability, and the rules that stand in the code.
RULES = {"0", "1", f"{findings.GUESSING:g}", f"{findings.LEAST_AUROC:g}", f"{100 * findings.RARE:g}"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; the style sheet is left out of the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] != "style":
            self.text.append(data)


def tables(markdown: str) -> list[list[list[str]]]:
    """Tables of a Markdown text, read back: rows of cells."""
    found: list[list[list[str]]] = []
    cell = False
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in ("th_open", "td_open"):
            cell = True
        elif token.type == "inline" and cell:
            found[-1][-1].append("".join(child.content for child in token.children or []))
            cell = False
    return found


def table(markdown: str, *heading: str) -> list[list[str]]:
    """Rows below the heading of the only table that has it."""
    (rows,) = [rows for rows in tables(markdown) if tuple(rows[0]) == heading]
    return rows[1:]


def words(name: str) -> str:
    return name.replace("_", " ")


def test_verdicts_are_told_of_faces_as_they_came_and_of_enhanced_ones() -> None:
    records = random_records(1)
    share, error = interval(0.25), interval(0.04)
    row = {"faces": 80, "given": 20, "wrong": 1, "share": share, "error": error, "error_upper": 0.07}
    by_condition = {name: {**row, "faces": 80 + at, "by_quality": [row]} for at, name in enumerate(FACES_OF)}
    by_condition["enhanced"]["given"] = 0
    verdicts = {"target_error": 0.05, "edges": [], "by_condition": by_condition}
    kept, wrong = interval(0.9), interval(0.06)
    steady = {
        "with_verdict": 10,
        "turned": 1,
        "turned_upper": 0.394,
        "by_reencoding": {"any": {"kept": kept, "wrong": wrong}},
    }
    stability = {"clean": steady, "degraded": {**steady, "with_verdict": 0}}
    metrics = {**(records.metrics or {}), "verdicts": verdicts, "stability": stability}
    markdown, html = render_card(replace(records, metrics=metrics))
    found = table(markdown, "faces", "sharpness", "number", "with a verdict", "wrong among them")
    shown = [percent_text(share), percent_text(error)]
    assert found == [[words, "any", str(80 + at), *shown] for at, words in enumerate(FACES_OF.values())]
    for faces in list(FACES_OF.values())[:3]:
        assert f"On {faces} it gives a verdict on {shown[0]} of them" in markdown
    assert "On degraded faces that are enhanced first it gives no verdict at all" in markdown
    assert "clean faces that are enhanced first" in html
    stays = (
        f"Stored in twelve other ways, {percent_text(kept)} of them stay as they are, and of the verdicts then given"
    )
    assert markdown.count(stays) == markdown.count("Stored in twelve") == 1
    assert f"{percent_text(wrong)} are wrong; 1 of 10 faces ever get the opposite one, under 39.4 %" in markdown


def test_every_table_holds_the_figures_of_the_records() -> None:
    records = random_records(1)
    markdown, _ = render_card(records)
    metrics, point = records.metrics, records.operating_point
    assert metrics and point and records.split_counts and records.rejected
    assert table(markdown, "figure", "value (interval)") == [
        [name, interval_text(metrics["detection"][key])] for key, name in METRIC_NAMES.items()
    ]
    counts = {name: interval_text(metrics["detection"][name], 0) for name in ("tn", "fp", "fn", "tp")}
    assert table(markdown, "truth", "called real", "called fake") == [
        ["real", counts["tn"], counts["fp"]],
        ["forged", counts["fn"], counts["tp"]],
    ]
    by_condition = metrics["detection_by_condition"]
    rows = [("gaussian_blur", "2"), ("gaussian_blur", "10"), ("salt_and_pepper", "3")]  # 2 before 10
    heading = ("degradation", "severity", "degraded", "enhanced", "change by enhancing")
    shown = ("degraded", "enhanced", "change")
    assert table(markdown, *heading) == [
        *([words(name), s, *(interval_text(by_condition[name][s][key]) for key in shown)] for name, s in rows),
        ["mean", "all", *(interval_text(by_condition["mean"][key]) for key in shown)],
    ]
    heading = ("degradation", "severity", "PSNR degraded", "PSNR enhanced", "PSNR gain", "SSIM gain")
    digits = {"psnr_degraded": 2, "psnr_enhanced": 2, "psnr_gain": 2, "ssim_gain": 4}
    restoration = metrics["restoration"]
    assert table(markdown, *heading) == [
        *([words(d), s, *(interval_text(restoration[d][s][key], n) for key, n in digits.items())] for d, s in rows),
        ["mean", "all", *(interval_text(restoration["mean"][key], n) for key, n in digits.items())],
    ]
    assert table(markdown, "split", "real", "forged") == [
        [split, str(counts["real"]), str(counts["forged"])] for split, counts in records.split_counts.items()
    ]
    assert table(markdown, "refused because", "files and faces") == [
        [words(reason), str(count)] for reason, count in sorted(records.rejected.items())
    ]
    assert table(markdown, "figure on the faces that chose it", "value") == [
        ["AUROC", f"{point['calibration']['auroc']:.3f}"],
        ["recall", f"{point['calibration']['recall']:.3f}"],
    ]
    assert table(markdown, "what", "SHA-256") == [list(pair) for pair in sorted(records.hashes.items())]
    assert table(markdown, "package", "version") == [list(pair) for pair in records.packages.items()]
    (detector,) = [rows for rows in tables(markdown) if rows[0][0] == "detector"]
    assert records.detector and f"{records.detector.parameters:,}" == dict(detector)["trainable parameters"]


def test_the_kept_epoch_is_the_one_of_the_lowest_validation_loss() -> None:
    records = random_records(2)
    history = records.detector_history
    assert history
    markdown, _ = render_card(records)
    kept = history[1]  # the only one whose loss was planted below 1
    assert f"{len(history)} epochs; the weights of epoch 2 were kept" in markdown
    (shown, _) = [rows[1:] for rows in tables(markdown) if rows[0][0] == "figure of that epoch"]
    assert shown == [["val auroc", f"{kept['val_auroc']:.4g}"], ["val loss", f"{kept['val_loss']:.4g}"]]


def test_each_member_of_an_ensemble_tells_its_kept_epoch() -> None:
    records = random_records(2)
    history = records.detector_history
    assert history
    rows = [
        {**row, "member": float(member), "kept": float(number == member)}
        for member in (0, 1)
        for number, row in enumerate(history)
    ]
    markdown, _ = render_card(replace(records, detector_history=rows))
    for member in (1, 2):
        line = f"Member {member} trained for {len(history)} epochs; the weights of epoch {member} were kept"
        assert line in markdown


def test_no_number_is_typed() -> None:
    """What cards of records that share no number have in common is typed: the rules alone may be."""
    cards = [set(NUMBER.findall("".join(Page(render_card(random_records(seed))[1]).text))) for seed in range(10, 20)]
    assert min(len(numbers) for numbers in cards) > 150
    severities = {"2", "3", "10"}
    assert set.intersection(*cards) == RULES | severities


def test_failures_and_harms_are_those_of_the_figures() -> None:
    clean = interval(0.9)
    rows = {"1": detection_row(interval(0.85), clean), "2": detection_row(interval(0.6), clean, interval(-0.1))}
    metrics = metrics_of(clean, {"salt_and_pepper": rows})
    markdown, _ = render_card(CardRecords(DatasetStudy(), metrics=metrics))
    failures = section(markdown, "Known failures by degradation and severity")
    assert re.findall(r"^- (.*)", failures, re.M) == findings.sentences(findings.known_failures(metrics))
    assert "salt and pepper, severity 2: an AUROC below 0.6" in failures
    assert "- salt and pepper, severity 2: enhancing lowers the AUROC" in section(markdown, "What the enhancer gains")
    sound, _ = render_card(CardRecords(DatasetStudy(), metrics=metrics_of(clean, {"jpeg": {"1": rows["1"]}})))
    assert "- No condition is named by this rule." in sound
    assert "- Nowhere is it shown to hurt." in sound


def section(markdown: str, heading: str) -> str:
    (text,) = [part for part in re.split(r"^## ", markdown, flags=re.M) if part.startswith(heading)]
    return text


def test_equal_records_give_equal_bytes_whatever_the_order_of_their_keys() -> None:
    def turned(value: Any) -> Any:
        return {key: turned(value[key]) for key in reversed(value)} if isinstance(value, dict) else value

    records = random_records(5)
    other = replace(records, **{f.name: turned(getattr(records, f.name)) for f in fields(records)})
    assert other == records
    assert render_card(other) == render_card(records)


def test_undefined_figures_are_dashes() -> None:
    metrics = metrics_of(UNDEFINED, {"jpeg": {"1": detection_row(UNDEFINED, UNDEFINED, UNDEFINED)}})
    metrics["detection"] = dict.fromkeys(metrics["detection"], UNDEFINED)
    metrics["headline"] = dict.fromkeys(metrics["headline"], UNDEFINED)
    point = {"rule": "any", "threshold": 0.5, "calibration_faces": 1, "calibration": {"auroc": None}}
    markdown, html = render_card(CardRecords(DatasetStudy(), metrics=metrics, operating_point=point))
    assert all(cell == "–" for _, cell in table(markdown, "figure", "value (interval)"))
    assert "clean faces: no interval is defined, so nothing is shown to work." in markdown
    assert ["AUROC", "–"] in table(markdown, "figure on the faces that chose it", "value")
    assert "None" not in html
    assert "nan" not in Page(html).text


def test_what_is_missing_is_not_recorded() -> None:
    markdown, html = render_card(CardRecords(DatasetStudy()))
    assert "None" not in markdown + html
    for heading in ("What it is", "Data and splits", "How it was trained", "How good it is", "The threshold"):
        assert "not recorded" in section(markdown, heading)
    for heading in ("The gate of the release", "Hashes", "How to repeat it"):
        assert "not recorded" in section(markdown, heading)
    assert "No file and no face was refused." in render_card(CardRecords(DatasetStudy(), rejected={}))[0]


def test_a_first_release_has_no_champion_to_be_held_against() -> None:
    gate = {"rule": "not worse", "champion": None, "auroc_change": None, "forced": True}
    markdown, _ = render_card(CardRecords(DatasetStudy(), gate=gate))
    rows = dict(next(rows for rows in tables(markdown) if rows[1][0] == "rule")[1:])
    assert rows["champion it was held against"] == "none was set"
    assert rows["change of the AUROC on calibration faces"] == "not recorded"
    assert rows["forced against the rule"] == "yes"


def test_the_page_is_self_contained_and_escapes() -> None:
    name = "<script>alert(1)</script> | [x](javascript:alert(2)) ![y](http://z/p.png) **b** `c` &lt;"
    records = replace(random_records(6), packages={name: "1"}, hashes={name: "00"})
    records = replace(records, study=records.study.model_copy(update={"name": name}))
    markdown, html = render_card(records)
    page = Page(html)
    assert not {"script", "img", "link", "a", "iframe", "strong"} & set(page.tags)
    assert not {"src", "href"} & {key for key, _ in page.attributes}
    assert "url(" not in html
    assert [name, "1"] in table(markdown, "package", "version")
    assert f"Model card: cnn trained on {name}" in "".join(page.text)


@given(st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=30))
@settings(max_examples=100, deadline=None)
def test_any_text_of_a_record_is_shown_as_it_is(text: str) -> None:
    markdown, html = render_card(CardRecords(DatasetStudy(), packages={text: text}))
    assert table(markdown, "package", "version") == [[text, text]]
    assert text in "".join(Page(html).text)
    assert not {"script", "img", "a", "strong", "del"} & set(Page(html).tags)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("/home/me/secret place/faces.zip", "faces.zip"),
        ("C:\\data\\faces\\", "faces"),
        ("https://me:hunter2@host.org/faces.zip?token=t0ken#x", "https://host.org/faces.zip"),
        ("", "not set"),
    ],
)
def test_where_the_data_lies_is_not_published(uri: str, shown: str) -> None:
    study = DatasetStudy(name="mine", layout="folders", uri=uri)
    markdown, _ = render_card(CardRecords(study, parameters={"study": study.model_dump(), "compute": {"seed": 1}}))
    assert ["uri", shown] in table(markdown, "parameter of the study", "value")
    for secret in ("secret", "C:", "hunter2", "t0ken"):
        assert secret not in markdown


def test_the_overlay_on_the_card_gives_kedro_the_same_parameters(tmp_path: Path) -> None:
    study = DatasetStudy(name="mine", layout="folders", uri="/somewhere/my faces.zip", height=200)
    groups = {"detector_training": {"network": "cnn3", "training": {"learning_rate": 1e-05}}, "compute": {"seed": 3}}
    markdown, _ = render_card(CardRecords(study, parameters=groups))
    (overlay,) = re.findall(r"^```json\n(.*?)^```", markdown, re.M | re.S)
    folder = tmp_path / "repeat-mine"
    folder.mkdir()
    (folder / "parameters.json").write_text(overlay)
    loaded = OmegaConfigLoader(str(tmp_path), env="repeat-mine", base_env="repeat-mine")["parameters"]
    assert loaded == json.loads(overlay)
    assert loaded["detector_training"]["training"] == {"learning_rate": 1e-05}
    again = DatasetStudy.model_validate({**loaded["study"], "uri": study.uri})
    assert again == study
    assert "kedro run --env repeat-mine --params 'study.uri=path/to/my faces.zip'" in markdown
    assert "echo 'data_root: data/repeat-mine' > conf/repeat-mine/globals.yml" in markdown


def test_the_licence_of_the_data_is_told_where_the_study_knows_it() -> None:
    class Licensed(DatasetStudy):
        licence: str = Field("")

    assert "Licence of the data: research only" in render_card(CardRecords(Licensed(licence="research only")))[0]
    assert "Licence of the data" not in render_card(CardRecords(Licensed()))[0]


def test_another_threshold_than_that_of_the_figures_is_told() -> None:
    metrics = metrics_of(interval(0.9), {})
    point = {"rule": "any", "threshold": 0.25, "calibration_faces": 9, "calibration": {}}
    assert (
        "taken at another threshold, 0.500"
        in render_card(CardRecords(DatasetStudy(), metrics=metrics, operating_point=point))[0]
    )
    same = {**point, "threshold": 0.5}
    assert "another threshold" not in render_card(CardRecords(DatasetStudy(), metrics=metrics, operating_point=same))[0]


def test_facts_of_networks_are_their_published_counts() -> None:
    detector, enhancer = network_facts(Meso4()), network_facts(RecurrentUNet())
    assert (detector.name, detector.parameters, detector.config["image_size"]) == ("meso4", 27_977, 256)
    assert (enhancer.name, enhancer.parameters) == ("recurrent_unet", 134_067)
    assert detector.description.startswith("Four convolutions")
