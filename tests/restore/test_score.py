"""Trials of repairs: which faces, what is tried, and rows that do not depend on the workers."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from deepfake_pipeline.degrade import apply, draw_recipe
from deepfake_pipeline.metrics.fidelity import gmsd, ms_ssim, psnr, ssim
from deepfake_pipeline.models.degradation_classifier import DegradationClassifier, DegradationClassifierConfig
from deepfake_pipeline.models.store import build_network
from deepfake_pipeline.restore import REPAIRS
from deepfake_pipeline.restore.router import Router
from deepfake_pipeline.restore.score import FullCloseness, choose_on, judged_trials, score_trials, trials
from deepfake_pipeline.tables.schemas import RESTORATION_SCORES
from deepfake_pipeline.tables.stream import batches_of
from tests.conftest import packed

KINDS = [("salt_and_pepper", 2), ("salt_and_pepper", 4), ("gaussian_blur", 2), ("gaussian_blur", 4)]
FEW = {name: REPAIRS[name] for name in ("identity", "median3", "adaptive_median", "unsharp")}


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return packed(tmp_path_factory.mktemp("faces") / "packed", count=8, side=48)


@pytest.fixture(scope="module")
def recipes(faces):
    return [draw_recipe(face.decode(), *kind, 0) for face in faces.face_ids for kind in KINDS]


@pytest.fixture(scope="module")
def router(faces, recipes):
    torch.manual_seed(0)
    classifier = DegradationClassifier(DegradationClassifierConfig(("salt_and_pepper", "gaussian_blur"), (2, 4)))
    enhancer = build_network("recurrent_unet", {"widths": (4, 8), "steps": 1})
    untried = Router.of(classifier.eval(), enhancer, None, FEW, "cpu")
    choices = choose_on(faces, recipes, untried, limit=3, workers=1)
    return Router.of(classifier, enhancer, choices, FEW, "cpu")


def test_faces_of_many_groups_come_first(faces, recipes):
    chosen = trials(faces, recipes, 5, lambda number, recipe: [str(number)])
    assert [trial.group for trial in chosen] == ["g0", "g1", "g2", "g3", "g0"]
    assert [len(trial.recipes) for trial in chosen] == [4] * 5
    assert chosen[2].repairs == [["2"]] * 5
    assert len(trials(faces, recipes[4:], 99, lambda number, recipe: [])) == 7


def test_validation_finds_the_repair_that_suits(router):
    choices = router.choices
    assert choices.repairs == (*FEW, "network")
    assert choices.best(np.eye(5))[:3] == ["identity", "adaptive_median", "adaptive_median"]
    assert (choices.faces, choices.groups) == (3, 3)


def test_after_the_surveyed_faces_only_what_is_in_question_is_tried(faces, recipes, router):
    some = judged_trials(faces, recipes, router, limit=4, surveyed=1)
    assert [set(tried) for tried in some[0].repairs] == [set(FEW)] * 5
    for trial in some[1:]:
        assert trial.repairs[0][0] == "identity"
        assert set(trial.repairs[1]) == {"identity", "adaptive_median"}


def rows_of(faces, recipes, router, workers):
    some = judged_trials(faces, recipes, router, limit=3, surveyed=1)
    rows = list(score_trials(some, router, FullCloseness(13), workers=workers))
    return rows, pa.Table.from_batches(batches_of(RESTORATION_SCORES, rows))


def test_rows_are_repaired_faces_against_clean_ones_whatever_the_workers(faces, recipes, router):
    rows, table = rows_of(faces, recipes, router, workers=1)
    assert rows_of(faces, recipes, router, workers=2)[1].equals(table)
    clean = np.array(faces.images[0])
    recipe = recipes[1]
    chances = router.chances(np.stack([clean, *(apply(one, clean) for one in recipes[:4])]))
    degraded = apply(recipe, clean)
    of_picture = [row for row in rows if (row["face_id"], row["severity"]) == (recipe.face_id, 4)][: len(FEW) + 2]
    assert [row["repair"] for row in of_picture] == [*FEW, "network", "router"]
    for row in of_picture:
        name = row["choice"] if row["repair"] == "router" else row["repair"]
        repaired = router.apply(name, degraded, chances[2])
        assert row["psnr"] == pytest.approx(psnr(clean, repaired))
        assert row["ssim"] == pytest.approx(ssim(clean, repaired))
        assert row["ms_ssim"] == pytest.approx(ms_ssim(clean, repaired))
        assert row["gmsd"] == pytest.approx(gmsd(clean, repaired))
    assert of_picture[-1]["choice"] == router.choose(chances)[2]


def test_the_clean_face_is_judged_too(faces, recipes, router):
    rows, _ = rows_of(faces, recipes, router, workers=1)
    clean = [row for row in rows if row["degradation"] is None and row["face_id"] == rows[0]["face_id"]]
    assert [row["repair"] for row in clean] == [*FEW, "network", "router"]
    untouched = clean[0]
    assert (untouched["psnr"], untouched["mae"], untouched["share_within"]) == (100, 0, 1)
    assert untouched["identity_cosine"] == pytest.approx(1, abs=1e-5)
    assert {row["told"] for row in clean if row["repair"] == "router"} <= {"none", "salt_and_pepper", "gaussian_blur"}
