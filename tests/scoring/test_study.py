import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from deepfake_pipeline.degrade import apply, draw_recipe
from deepfake_pipeline.metrics.fidelity import psnr
from deepfake_pipeline.models.run import DetectorRunner, EnhancerRunner
from deepfake_pipeline.models.store import build_network, network_bytes
from deepfake_pipeline.restore import REPAIRS
from deepfake_pipeline.scoring import study
from deepfake_pipeline.scoring.repairers import RepairParts
from deepfake_pipeline.scoring.study import StudyPlan, Variant, sampled_rows, score_study
from deepfake_pipeline.tables.schemas import STUDY_SCORES
from tests.conftest import packed

BEST = {
    "clean": {"0": "identity"},
    "jpeg": {"2": "identity", "4": "jpeg_deblocking"},
    "white_noise": {"2": "median3", "4": "non_local_means"},
}


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return packed(tmp_path_factory.mktemp("faces") / "test", 24, side=32)


@pytest.fixture(scope="module")
def networks():
    detectors = {
        Variant("cnn3", training, 0).key: build_network("cnn3", {"image_size": 32}) for training in ("plain", "control")
    }
    enhancer = build_network("recurrent_unet", {"widths": (4, 8), "steps": 1})
    enhancer.last.bias.data.fill_(0.05)  # untrained, it would change nothing
    return detectors, enhancer


@pytest.fixture(scope="module")
def plan(networks):
    detectors, enhancer = networks
    parts = RepairParts(BEST, {"enhancer": network_bytes(enhancer)}, ("non_local_means",), "cpu")
    stored = {key: network_bytes(network) for key, network in detectors.items()}
    repairs = ("none", "best_classical", "enhancer")
    return StudyPlan(stored, parts, repairs, ("jpeg", "white_noise"), (2, 4), slow_faces=8, seed=1)


ROWS = np.arange(20)


@pytest.fixture(scope="module")
def scored(faces, plan, tmp_path_factory):
    return table_of(faces, plan, tmp_path_factory.mktemp("checkpoints"))


def table_of(faces, plan, checkpoints, workers=1, rows=ROWS):
    batches = list(score_study(faces, rows, plan, checkpoints=checkpoints, workers=workers))
    return pa.Table.from_batches(batches, schema=STUDY_SCORES)


def test_every_cell_is_scored_in_order(scored, faces):
    frame = scored.to_pandas()
    cells = list(frame[["degradation", "severity"]].drop_duplicates().itertuples(index=False, name=None))
    assert cells == [("clean", 0), ("jpeg", 2), ("jpeg", 4), ("white_noise", 2), ("white_noise", 4)]
    counts = frame.groupby(["degradation", "severity", "repair", "training"]).size()
    few = counts[("white_noise", 4, "best_classical")]
    assert set(counts.drop(("white_noise", 4, "best_classical"))) == {20}
    assert set(few) == {8}
    assert len(frame) == (5 * 3 * 20 - 12) * 2
    assert set(frame.face_id) == {name.decode() for name in faces.face_ids[ROWS]}


def test_slow_repairs_are_done_to_whole_groups(scored):
    frame = scored.to_pandas()
    slow = frame[(frame.degradation == "white_noise") & (frame.severity == 4) & (frame.repair == "best_classical")]
    assert set(slow.groupby(["group", "training"]).size()) == {2}


def test_scores_are_those_of_degrading_repairing_and_judging_by_hand(scored, faces, networks):
    detectors, enhancer = networks
    frame = scored.to_pandas().set_index(["degradation", "severity", "repair", "training", "face_id"]).sort_index()
    row = 7
    face = faces.face_ids[row].decode()
    degraded = apply(draw_recipe(face, "jpeg", 4, 1), faces.images[row])
    versions = {
        "none": degraded,
        "best_classical": REPAIRS["jpeg_deblocking"].apply(degraded),
        "enhancer": EnhancerRunner(enhancer, "cpu").enhance(degraded[None])[0],
    }
    for name, picture in versions.items():
        for training in ("plain", "control"):
            detector = detectors[Variant("cnn3", training, 0).key]
            expected = DetectorRunner(detector, "cpu").judge(picture[None]).logit[0]
            found = frame.loc["jpeg", 4, name, training, face]
            assert found.logit == pytest.approx(expected, abs=0.01)  # of bfloat16, where the CPU computes it
            assert found.psnr == pytest.approx(psnr(faces.images[row], picture), abs=0.1)
            assert (found.group, found.label) == (faces.groups[row].decode(), faces.labels[row])


def test_equal_pictures_have_equal_scores(scored):
    frame = scored.to_pandas()
    same = frame[(frame.degradation == "jpeg") & (frame.severity == 2)]
    none, identity = (same[same.repair == name].logit.to_numpy() for name in ("none", "best_classical"))
    assert np.array_equal(none, identity)


def test_what_a_worker_did_before_changes_nothing_that_is_computed_together(scored, plan, faces, tmp_path, monkeypatch):
    study._keep_faces(faces, ROWS, tmp_path / "faces")
    worker = study.CellWorker(plan, tmp_path)
    together = []
    judge = study.logits_by_each
    monkeypatch.setattr(
        study, "logits_by_each", lambda judges, images: together.append(len(images)) or judge(judges, images)
    )
    cell = study.Cell("jpeg", 2)
    first = worker._chunk(cell, ROWS)
    once = list(together)
    worker._chunk(study.Cell("clean", 0), ROWS)
    together.clear()
    again = worker._chunk(cell, ROWS)
    assert together == once == [20, 20], "as they are and enhanced; the best filter is none"
    for name, found in first.items():
        assert np.array_equal(found["logits"], again[name]["logits"])


def test_the_number_of_workers_changes_nothing(scored, faces, plan, tmp_path):
    assert table_of(faces, plan, tmp_path, workers=2).equals(scored)


def test_an_interrupted_study_goes_on_where_it_was(scored, faces, plan, tmp_path, monkeypatch):
    done = []
    score = study.CellWorker.__call__

    def counted(self, cell):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(score(self, cell))

    monkeypatch.setattr(study.CellWorker, "__call__", counted)
    with pytest.raises(KeyboardInterrupt):
        table_of(faces, plan, tmp_path)
    (folder,) = tmp_path.iterdir()
    assert sorted(path.name for path in folder.glob("*.parquet")) == sorted(done)
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.parquet")}
    (folder / "jpeg-4.123.part").write_bytes(b"half a file")
    monkeypatch.setattr(study.CellWorker, "__call__", score)
    assert table_of(faces, plan, tmp_path).equals(scored)
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before


def test_nothing_is_loaded_when_all_cells_are_there(faces, plan, scored, tmp_path, monkeypatch):
    table_of(faces, plan, tmp_path)
    monkeypatch.setattr(study, "load_network", None)
    assert table_of(faces, plan, tmp_path).equals(scored)


@pytest.mark.parametrize("change", [{"seed": 2}, {"severities": (2,)}, {"slow_faces": 4}, {"repairs": ("none",)}])
def test_another_plan_has_cells_of_its_own(faces, plan, change):
    other = dataclasses.replace(plan, **change)
    assert study._fingerprint(faces, ROWS, other) != study._fingerprint(faces, ROWS, plan)


def test_other_networks_and_other_faces_have_cells_of_their_own(faces, plan):
    first = study._fingerprint(faces, ROWS, plan)
    detectors = {key: data + b"x" for key, data in plan.detectors.items()}
    assert study._fingerprint(faces, ROWS, dataclasses.replace(plan, detectors=detectors)) != first
    assert study._fingerprint(faces, ROWS[:-2], plan) != first


def test_a_smaller_sample_is_the_beginning_of_a_larger_one(faces):
    large, small = sampled_rows(faces.groups, 16, 0), sampled_rows(faces.groups, 7, 0)
    assert len(large) == 16
    assert list(small) == list(large[:6]), "in whole groups"
    assert len(sampled_rows(faces.groups, 1000, 0)) == len(faces)
    assert len(sampled_rows(faces.groups, 1, 0)) == 2, "a group at least"
    assert list(sampled_rows(faces.groups, 16, 1)) != list(large)
