"""Predictions of faces as those of videos: the most forged person, by the mean of its calibrated log-odds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from deepfake_pipeline.models.store import build_network
from deepfake_pipeline.scoring.calibration import Calibrator
from deepfake_pipeline.scoring.conformal import NEVER, UnsureRule
from deepfake_pipeline.scoring.release import packaged_release
from deepfake_pipeline.scoring.score import score_files
from deepfake_pipeline.scoring.verdict import VerdictRule
from deepfake_pipeline.scoring.videos import video_predictions
from deepfake_pipeline.tables import RecordStream
from deepfake_pipeline.tables.schemas import FACE_TRAITS, PREDICTIONS
from tests.faces.films import film

Tables = tuple[pd.DataFrame, pd.DataFrame]
HALF = VerdictRule(0.5)


def read(schema: Any, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table on disk would give them."""
    batches = list(RecordStream.of_rows(schema, rows))
    return batches[0].to_pandas() if batches else schema.empty_table().to_pandas()


def tables(*faces: dict[str, Any]) -> Tables:
    """Predictions and traits of faces: ``sample_id``, ``track`` and raw ``logit``, and whatever else differs."""
    plain = {"group": "g", "label": 0, "condition": "clean", "fake_probability": 0.5, "verdict": "real"}
    plain |= {"sharpness": 100.0, "source": "s", "size": 100.0}
    known = [{**plain, "face_id": f"{number:03d}", **face} for number, face in enumerate(faces)]
    return tuple(  # type: ignore[return-value]
        read(schema, [{name: face[name] for name in schema.names if name in face} for face in known])
        for schema in (PREDICTIONS, FACE_TRAITS)
    )


def video(sample: str, people: dict[int, list[float]], **shared: Any) -> list[dict[str, Any]]:
    return [
        {"sample_id": sample, "track": track, "logit": one, **shared} for track, all_ in people.items() for one in all_
    ]


def one(faces: list[dict[str, Any]], rule: VerdictRule = HALF) -> dict[str, Any]:
    (row,) = video_predictions(*tables(*faces), rule)
    return row


_FILMS = st.dictionaries(
    st.sampled_from("abcd"),
    st.dictionaries(st.integers(0, 5), st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=4), min_size=1),
    min_size=1,
)


@given(_FILMS, st.floats(0.1, 3), st.floats(-3, 3), st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_a_video_is_the_largest_mean_over_its_tracks(films: Any, slope: float, shift: float, random: Any) -> None:
    rule = VerdictRule(0.4, Calibrator("platt", slope, shift))
    faces = [face for name, people in films.items() for face in video(name, people, group=f"group of {name}")]
    random.shuffle(faces)
    rows = list(video_predictions(*tables(*faces), rule))
    assert [row["sample_id"] for row in rows] == sorted(films)
    for row in rows:
        means = [np.mean(slope * np.array(logits) + shift) for logits in films[row["sample_id"]].values()]
        assert row["fake_probability"] == pytest.approx(expit(max(means)), rel=1e-9, abs=1e-15)
        assert row["group"] == f"group of {row['sample_id']}"
        assert row["verdict"] == ("fake" if row["fake_probability"] >= 0.4 else "real")


def test_images_are_left_out_even_of_the_same_group() -> None:
    faces = [{"sample_id": "picture", "track": None, "logit": 9.0}, *video("film", {0: [-1.0, -2.0]})]
    assert one(faces)["sample_id"] == "film"
    assert one(faces)["fake_probability"] == pytest.approx(expit(-1.5))
    assert list(video_predictions(*tables(faces[0]), HALF)) == []
    assert list(video_predictions(*tables(), HALF)) == []


def test_clean_faces_alone_count() -> None:
    predictions, traits = tables(*video("film", {0: [1.0, 3.0]}))
    worse = predictions.assign(condition="degraded", logit=-50.0)
    better = predictions.assign(condition="enhanced", logit=50.0)
    (row,) = video_predictions(pd.concat([worse, predictions, better], ignore_index=True), traits, HALF)
    assert row["fake_probability"] == pytest.approx(expit(2.0))


def test_the_label_is_forged_where_one_face_is_and_tracks_of_two_films_are_two_people() -> None:
    faces = [*video("a", {0: [-4.0]}), *video("a", {1: [2.0]}, label=1), *video("b", {0: [-3.0], 1: [-1.0]}, group="h")]
    rows = {row["sample_id"]: row for row in video_predictions(*tables(*faces), HALF)}
    assert [rows[name]["label"] for name in "ab"] == [1, 0]
    assert [rows[name]["group"] for name in "ab"] == ["g", "h"]
    assert rows["a"]["fake_probability"] == pytest.approx(expit(2.0))
    assert rows["b"]["fake_probability"] == pytest.approx(expit(-1.0))


def test_log_odds_are_calibrated_before_they_are_averaged() -> None:
    bent = Calibrator("isotonic", 1.0, 0.0, ((-2.0, -1.0), (0.0, 0.0), (2.0, 8.0)))
    row = one(video("film", {0: [-2.0, 2.0]}), VerdictRule(0.5, bent))
    assert row["fake_probability"] == pytest.approx(expit((-1.0 + 8.0) / 2))  # of the mean it would be 0.5
    mean = expit(np.mean(bent.logit([-2.0, 2.0])))
    assert row["fake_probability"] == pytest.approx(mean)


@pytest.mark.parametrize(("threshold", "verdict"), [(0.7310585, "fake"), (0.7310586, "real")])
def test_a_video_is_fake_from_the_threshold_on(threshold: float, verdict: str) -> None:
    assert expit(1.0) == pytest.approx(0.73105858)
    assert one(video("film", {0: [0.0, 2.0]}), VerdictRule(threshold))["verdict"] == verdict


class TestUnsure:
    rule = VerdictRule(0.5, Calibrator(), UnsureRule(0.05, (50.0,), (3.0, 1.0), smallest=40.0))  # nats; blurred, sharp

    @pytest.mark.parametrize(
        ("logits", "verdict"),
        [([0.5, 1.4], "unsure"), ([0.5, 1.6], "fake"), ([-0.5, -1.6], "real"), ([-1, 1], "unsure")],
    )
    def test_a_person_has_to_be_as_far_from_the_threshold_as_a_face(self, logits: list[float], verdict: str) -> None:
        assert one(video("film", {0: logits}), self.rule)["verdict"] == verdict

    def test_half_of_the_frames_decide_how_far_that_is(self) -> None:
        sharp, blurred = (
            video("film", {0: [2.0] * 2}, sharpness=80.0),
            video("film", {0: [2.0]}, sharpness=10.0),
        )
        assert one(sharp + blurred, self.rule)["verdict"] == "fake"
        assert one(sharp[:1] + 2 * blurred, self.rule)["verdict"] == "unsure"

    def test_small_faces_get_no_verdict_and_a_size_that_is_not_known_does_no_harm(self) -> None:
        assert self.rule.unsure is not None and self.rule.unsure.least(100.0, 39.0) == NEVER
        small, unknown = (one(video("film", {0: [9.0] * 3}, size=size), self.rule) for size in (39.0, None))
        assert (small["verdict"], unknown["verdict"]) == ("unsure", "fake")
        assert small["fake_probability"] == unknown["fake_probability"] == pytest.approx(expit(9.0))

    def test_one_forged_person_is_enough_and_one_in_doubt_outweighs_real_ones(self) -> None:
        real, doubtful, forged = {0: [-5.0]}, {1: [0.5]}, {2: [4.0]}
        assert one(video("film", {**real, **doubtful}), self.rule)["verdict"] == "unsure"
        assert one(video("film", {**real, **doubtful, **forged}), self.rule)["verdict"] == "fake"
        assert one(video("film", real), self.rule)["verdict"] == "real"


def test_it_is_what_scoring_the_file_says(tmp_path: Path) -> None:
    torch.manual_seed(0)
    calibrator = Calibrator("platt", 0.7, 0.4)
    network = build_network("meso4", {"image_size": 32}).eval()
    release = replace(packaged_release(), detector=network, calibrator=calibrator, threshold=0.55)
    *faces, file = score_files([film(tmp_path / "film.mp4", 4)], release)
    assert {face["track"] for face in faces} == {0, 1}
    raw = [(float(logit(face["fake_probability"])) - calibrator.shift) / calibrator.slope for face in faces]
    known = [
        {"sample_id": "film", "logit": one_raw, "size": min(face["w"], face["h"]), **_judged(face)}
        for face, one_raw in zip(faces, raw, strict=True)
    ]
    row = one(known, release.rule)
    assert row["fake_probability"] == pytest.approx(file["fake_probability"], abs=1e-6)
    assert row["verdict"] == file["verdict"]
    doubtful = replace(release, unsure=UnsureRule(0.05, (), (abs(logit(0.55)) + 10,)))
    assert one(known, doubtful.rule)["verdict"] == "unsure"


def _judged(face: dict[str, Any]) -> dict[str, Any]:
    return {name: face[name] for name in ("track", "fake_probability", "verdict", "sharpness")}
