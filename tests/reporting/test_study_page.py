import json
import re

import cv2
import numpy as np
import pytest

from deepfake_pipeline.reporting.study import Resampling, measure_study
from deepfake_pipeline.reporting.study_charts import change_maps, severity_chart
from deepfake_pipeline.reporting.study_page import render_study, settings_of
from deepfake_pipeline.reporting.study_words import answer, details, strongest
from tests.reporting.studies import planted

PARAMETERS = {
    "preset": "small",
    "control_share": 0.5,
    "detectors": ["cnn3"],
    "seeds": [0],
    "slow_repairs": ["non_local_means"],
    "slow_faces": 200,
    "resamples": 200,
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    made = {}

    def measure(gains, **options):
        key = json.dumps([gains, options])
        if key not in made:
            table = planted(tmp_path_factory.mktemp("study") / "scores", gains, **options)
            made[key] = measure_study(table, Resampling(200, 0.95, 0))
        return made[key]

    return measure


def page_of(figures):
    picture = cv2.imencode(".png", np.zeros((2, 2), np.uint8))[1].tobytes()
    settings = settings_of(PARAMETERS, {"clean": {"0": "identity"}, "jpeg": {"1": "median3", "5": "jpeg_deblocking"}})
    return render_study(figures, "planted", settings, [("a picture", picture)])


@pytest.mark.parametrize(
    ("gain", "opening", "effect"),
    [
        (0.6, "Yes: repairing a degraded face first helps a detector, most of all the enhancer", "raises the share"),
        (-0.6, "No: repairing a degraded face first does not help a detector, it hurts", "lowers the share"),
        (0.01, "It cannot be told from these 600 faces", "has no effect on detection that can be shown"),
    ],
    ids=["helps", "hurts", "undetectable"],
)
def test_the_page_opens_with_the_verdict(measured, gain, opening, effect):
    figures = measured({"enhancer": gain})
    first, second = answer(figures)
    assert first.startswith(opening)
    assert effect in first
    assert not re.search(r"\. [A-Z]", f"{first} {second}".removeprefix(f"{first} ")), "one sentence"
    page = page_of(figures)
    assert page.index(opening) < page.index("<h2>")
    rows = figures["headline"]["by_training"]["plain"]
    before, after = (100 * rows[name]["auroc"]["value"] for name in ("none", "enhancer"))
    assert f"from {before:.1f} % to {after:.1f} %" in first


@pytest.mark.parametrize(
    ("control", "words"),
    [
        (0.8, ["instead helps", "more than the enhancer"]),
        (-0.5, ["instead hurts", "less than the enhancer"]),
        (0.0, ["no effect can be shown"]),
    ],
)
def test_training_with_degradations_is_the_rival(measured, control, words):
    _, second = answer(measured({"enhancer": 0.3}, control=control))
    assert all(word in second for word in words), second


def test_several_repairs_are_told_apart(measured):
    first, second = answer(measured({"best_classical": 0.0, "enhancer": 0.6, "joint": -0.5}, control=0.8))
    assert "the enhancer trained with a detector hurts" in first
    assert "the best classical filter has no effect that can be shown" in first
    assert "on a detector so trained the enhancer still helps" in second
    no, _ = answer(measured({"enhancer": -0.6, "joint": -0.9}))
    assert "all of the ways that were tried hurt, most of all the enhancer trained with a detector" in no


def test_most_of_all_is_said_of_a_repair_that_is_measurably_better_than_the_others(measured):
    first, _ = answer(measured({"best_classical": 0.3, "enhancer": 0.9}))
    assert "helps a detector, most of all the enhancer, which raises" in first
    assert first.endswith("; the best classical filter helps less.")
    first, _ = answer(measured({"best_classical": 0.6, "enhancer": 0.61, "router": 0.1, "joint": 0.6}))
    assert "most of all" not in first
    names = ["the best classical filter", "the enhancer", "the enhancer trained with a detector"]
    best = next(name for name in names if f"helps a detector; {name} raises" in first)
    alike = [name for name in names if name != best]
    assert f"which is not measurably more than what {alike[0]} and {alike[1]} do; the router" in first
    no, _ = answer(measured({"enhancer": -0.6, "joint": -0.61}))
    assert "that were tried hurt; the enhancer" in no
    assert "which is not measurably more than what the enhancer" in no
    assert no.endswith("does.")


def test_without_controls_or_repairs_the_answer_says_so(measured):
    first, second = answer(measured({"enhancer": 0.6}, trainings=("plain",)))
    assert first.startswith("Yes")
    assert "was not measured" in second
    assert "no repair was chosen" in answer(measured({}))[0]


def test_what_is_too_little_is_said(measured):
    said = " ".join(details(measured({"best_classical": 0.6}, groups=10, slow=4)))
    assert "Slow repairs were done to 8 of the 20 faces: means take what they change on these" in said
    assert "of 10 groups; with fewer than 20 little can be shown" in said
    assert re.search(r"helps in \d, hurts in \d, undetectable in \d of 3 cells", said)


def test_the_strongest_cells_come_first_and_are_beyond_doubt(measured):
    cells = strongest(measured({"enhancer": 0.6, "joint": -0.5}), most=4)
    sizes = [abs(cell["change"]["value"]) for cell in cells]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 4
    assert strongest(measured({"enhancer": 0.01})) == []
    assert "Nowhere" in page_of(measured({"enhancer": 0.01}))


def test_the_page_is_whole_and_tells_every_cell(measured):
    figures = measured({"enhancer": 0.6, "joint": -0.5})
    page = page_of(figures)
    assert not re.search(r"(src|href)=\"(?!data:)", page), "nothing is fetched from elsewhere"
    assert page.count("<tr><td>jpeg</td>") + page.count("<tr><td>shadow</td>") >= 2 * 2 * 3
    assert "jpeg: median3, jpeg deblocking" in page
    pairs = re.findall(r"<tr><td>(.*?)</td><td class=\"words\">(.*?)</td><td class=\"words\">(.*?)</td>", page)
    assert pairs == [
        (faces, "the enhancer", "the enhancer trained with a detector") for faces in ("clean faces", "degraded faces")
    ]


def test_charts_are_drawn_twice(measured):
    figures = measured({"best_classical": 0.0, "enhancer": 0.6, "joint": -0.5}, detectors=("cnn3", "meso4"))
    for chart, panels in ((severity_chart(figures), None), (change_maps(figures), 12)):
        picture, plotly = chart.drawn()
        assert cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).std() > 5
        json.dumps(plotly, allow_nan=False)
        if panels:
            assert len(plotly["data"]) == panels


def test_lines_of_repairs_of_fewer_faces_begin_where_all_faces_are(measured):
    figures = measured({"best_classical": 0.6}, slow=30, trainings=("plain",))
    none, repaired = (series.y for series in severity_chart(figures).series)
    cells = {cell["severity"]: cell for cell in figures["cells"] if cell["repair"] == "best_classical"}
    assert cells[5]["faces"] == 60
    assert repaired[-1] == pytest.approx(none[-1] + cells[5]["change"]["value"])
    assert abs(repaired[-1] - cells[5]["auroc"]["value"]) > 0.001
    assert repaired[1] == pytest.approx(cells[1]["auroc"]["value"])


def test_the_maps_show_the_changes_and_mark_what_is_beyond_doubt(measured):
    figures = measured({"enhancer": 0.6})
    maps = change_maps(figures)
    panel = maps.panels[0][0]
    assert (list(maps.rows), list(maps.columns)) == (["jpeg", "shadow"], ["1", "3", "5"])
    assert panel.values[0][1] is None, "jpeg at severity 3 was not measured"
    wanted = ("enhancer", "plain", 5)
    cell = next(c for c in figures["cells"] if (c["repair"], c["training"], c["severity"]) == wanted)
    assert panel.values[0][2] == pytest.approx(cell["change"]["value"])
    assert panel.certain[0][2]
    assert not panel.certain[0][1]
    assert maps.reach >= cell["change"]["value"]
