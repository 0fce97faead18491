"""The judgement of repairs: paired differences, rivals, and sentences that follow from the figures."""

import json

import numpy as np
import pytest

from deepfake_pipeline.media.images import decode_image
from deepfake_pipeline.reporting.judge import Resampling
from deepfake_pipeline.reporting.restoration import CHOSEN, confusion_chart, measure, severity_panels, summarise
from deepfake_pipeline.reporting.restoration_page import render_page, sentences
from deepfake_pipeline.restore.choices import Choices
from deepfake_pipeline.tables import ParquetTable, RecordStream
from deepfake_pipeline.tables.schemas import RESTORATION_SCORES
from deepfake_pipeline.tables.stream import write_shards

CELLS = (("none", 0), ("jpeg", 2), ("jpeg", 4), ("shadow", 2), ("shadow", 4))
CLASSICAL = ("identity", "gamma", "jpeg_deblocking")
CHOICES = Choices(
    CELLS,
    (*CLASSICAL, "network"),
    np.array([[50, 30, 40, 35], [30, 20, 32, 33], [26, 20, 29, 28], [22, 25, 22, 24], [18, 22, 18, 20]], float),
    np.zeros((5, 4)),
    faces=4,
    groups=4,
)
PSNR = {
    ("jpeg", 2): {"identity": 30, "gamma": 20, "jpeg_deblocking": 32, "network": 33, "router": 33},
    ("jpeg", 4): {"identity": 26, "gamma": 20, "jpeg_deblocking": 29, "network": 28, "router": 29},
    ("shadow", 2): {"identity": 22, "gamma": 25, "jpeg_deblocking": 22, "network": 24, "router": 24},
    ("shadow", 4): {"identity": 18, "gamma": 22, "jpeg_deblocking": 18, "network": 20, "router": 22},
    (None, None): {"identity": 100, "network": 40, "router": 100},
}
FACES, SURVEYED = 8, 4


def rows():
    """Each face lies a little above or below the means; only the first ones were tried with every repair."""
    for number in range(FACES):
        for (degradation, severity), of_repair in PSNR.items():
            for repair, psnr in of_repair.items():
                chosen = CHOICES.best_classical((degradation or "none", severity or 0))
                if number >= SURVEYED and repair in CLASSICAL and repair not in (chosen, "identity"):
                    continue
                shift = (number - 3.5) / 10 if psnr < 100 else 0
                figures = {"psnr": psnr + shift, "ssim": psnr / 100, "ms_ssim": psnr / 100, "gmsd": 0.1}
                others = {"mae": 0.0 if psnr == 100 else 0.02, "share_within": 0.9}
                cosines = {"identity_cosine": 0.8, "image_cosine": 0.99}
                mistaken = number == 0 and degradation == "shadow"
                told = {"choice": "gamma", "told": "jpeg" if mistaken else degradation or "none", "told_severity": 3.0}
                yield {
                    "face_id": f"f{number}",
                    "group": f"g{number // 2}",
                    "degradation": degradation,
                    "severity": severity,
                    "repair": repair,
                    **figures,
                    **others,
                    **cosines,
                    **(told if repair == "router" else {}),
                }


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scores")
    write_shards(RecordStream.of_rows(RESTORATION_SCORES, rows()), folder)
    return measure(ParquetTable(folder), CHOICES, 13, Resampling(200, 0.95, 0))


def test_counts(figures):
    assert figures["faces"] == {"test": 8, "groups": 4, "surveyed": 4, "validation": 4}
    json.dumps(figures, allow_nan=False)


def test_means_by_condition_and_how_many_faces_they_rest_on(figures):
    row = figures["repairs"]["jpeg"]["2"]
    assert row["router"]["psnr"]["value"] == pytest.approx(33)
    assert row["router"]["psnr"]["low"] < 33 < row["router"]["psnr"]["high"]
    assert (row["router"]["faces"], row["gamma"]["faces"]) == (8, 4)
    assert row["gamma"]["psnr"]["value"] == pytest.approx(20 - 0.2)  # the first four faces lie 0.2 dB lower
    assert row[CHOSEN] == row["jpeg_deblocking"]
    assert figures["repairs"]["shadow"]["4"][CHOSEN]["psnr"]["value"] == pytest.approx(22)


def test_differences_are_of_the_same_pictures(figures):
    table = figures["against_chosen"]
    assert table["jpeg"]["router"]["psnr"]["value"] == pytest.approx(0.5)
    assert table["shadow"]["router"]["psnr"]["value"] == pytest.approx(-0.5)
    assert table["mean"]["network"]["psnr"]["value"] == pytest.approx((1 - 1 - 1 - 2) / 4)
    assert table["jpeg"]["router"]["not_worse"]["value"] == 1
    assert table["shadow"]["router"]["not_worse"]["value"] == 0.5
    interval = table["jpeg"]["router"]["psnr"]
    assert (interval["low"], interval["high"]) == (pytest.approx(0.5), pytest.approx(0.5))  # shifts cancel in a pair


def test_the_best_single_repair_is_found_on_the_surveyed_faces(figures):
    table = figures["against_best_single"]
    assert (table["jpeg"]["psnr"]["repair"], table["shadow"]["psnr"]["repair"]) == ("jpeg_deblocking", "gamma")
    assert table["jpeg"]["psnr"]["difference"]["value"] == pytest.approx(0.5)
    assert table["shadow"]["psnr"]["difference"]["value"] == pytest.approx(-0.5)


def test_the_classifier(figures):
    told = figures["classifier"]
    assert told["names"] == ["none", "jpeg", "shadow"]
    assert told["confusion"] == [[8, 0, 0], [0, 16, 0], [0, 2, 14]]
    assert told["accuracy"]["value"] == pytest.approx(38 / 40)
    assert told["severity_error"]["value"] == pytest.approx((8 * 3 + 30 * 1) / 38)


def test_clean_faces(figures):
    assert figures["clean"]["untouched"] == 1
    assert figures["clean"]["touched_psnr"] is None
    assert figures["clean"]["network"]["psnr"]["value"] == pytest.approx(40)


def test_the_summary_is_flat(figures):
    summary = summarise(figures)
    assert summary["router_psnr_over_chosen_db"] == pytest.approx(0)
    assert summary["router_psnr_over_best_single_db"] == pytest.approx(-0.5)
    assert all(isinstance(value, float) for value in summary.values())


def test_sentences_follow_from_the_figures(figures):
    said = " ".join(sentences(figures))
    assert "shadow (-0.50 dB to gamma)" in said
    assert "leaves 100% exactly as they are" in said
    assert "90.0 % of a degraded face" in said
    assert "98.0 % and 98.0 %" in said
    kind = {**figures, "against_best_single": {"jpeg": figures["against_best_single"]["jpeg"]}}
    assert "On no degradation" in sentences(kind)[1]


def test_nothing_is_claimed_about_identity_by_a_poor_descriptor(figures):
    good, poor = (
        {**figures, "descriptor": {"auroc": auroc, "low": auroc - 0.1, "high": auroc + 0.05, "people": 50}}
        for auroc in (0.93, 0.88)
    )
    assert "nothing about identity is claimed" in sentences(poor)[-1]
    assert "0.88" in sentences(poor)[-1]
    assert "0.800" not in sentences(poor)[-1]
    assert "degraded faces stand at 0.800" in sentences(good)[-1]


def test_page_and_charts(figures):
    picture, plot = severity_panels(figures).drawn()
    assert decode_image(picture).shape[2] == 3
    assert {trace["xaxis"] for trace in plot["data"]} == {"x", "x2"}
    assert [trace["name"] for trace in plot["data"] if trace["showlegend"]] == [
        "degraded",
        "classical, chosen",
        "network",
        "router",
    ]
    assert confusion_chart(figures).plotly()["data"][0]["z"] == [[8, 0, 0], [0, 16, 0], [0, 2, 14]]
    page = render_page(figures, CHOICES.to_json(), "tiny & small", [("a caption", picture)])
    assert "tiny &amp; small" in page
    assert all(sentence.split(",")[0] in page for sentence in sentences(figures)[:1])
    assert page.count("<figure>") == 1
    assert "jpeg deblocking" in page
