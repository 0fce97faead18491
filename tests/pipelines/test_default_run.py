"""The whole default pipeline on a tiny rendered set."""

import json
import os

import mlflow
import numpy as np
import pytest

from deepfake_pipeline.metrics.detection import CONFUSION_CELLS, DETECTION_METRICS
from deepfake_pipeline.models.store import load_network, network_name
from deepfake_pipeline.pipeline_registry import STAGES
from deepfake_pipeline.scoring.conformal import UnsureRule
from deepfake_pipeline.scoring.release import read_release
from deepfake_pipeline.tables.ids import sha256_of
from deepfake_pipeline.tables.packed import open_packed
from deepfake_pipeline.tables.stream import ParquetTable

DEGRADATIONS = {"gaussian_blur", "shadow", "salt_and_pepper", "jpeg"}


@pytest.fixture(scope="module")
def data(finished):
    return finished.root / "data"


@pytest.fixture(scope="module")
def metrics(data):
    return json.loads((data / "08_reporting/metrics.json").read_text())


class TestTables:
    def test_every_rendered_file_is_in_the_manifest_and_no_group_is_in_two_splits(self, data):
        manifest = ParquetTable(data / "02_intermediate/manifest").read()
        assert len(manifest) == 48
        assert manifest.label.sum() == 24
        assert list(manifest.sample_id) == sorted(manifest.sample_id)
        assert (manifest.groupby("group").split.nunique() == 1).all()
        assert set(manifest.split) == {"train", "validation", "calibration", "test"}

    def test_a_face_was_found_in_nearly_every_file(self, data):
        faces = ParquetTable(data / "03_primary/faces").read(["face_id", "landmarks", "sharpness", "yaw"])
        refused = ParquetTable(data / "03_primary/rejected_faces").count()
        assert len(faces) + refused == 48
        assert len(faces) >= 46
        assert faces.notna().all().all()

    def test_packed_faces_are_the_crops(self, data):
        from deepfake_pipeline.media.images import decode_image

        crops = ParquetTable(data / "03_primary/faces").read(["face_id", "split", "crop"]).set_index("face_id")
        total = 0
        for split in ("train", "validation", "calibration", "test"):
            packed = open_packed(data / "05_model_input" / split)
            total += len(packed)
            for row in range(len(packed)):
                found = crops.loc[packed.face_ids[row].decode()]
                assert found.split == split
                assert np.array_equal(decode_image(found.crop), packed.images[row])
        assert total == len(crops)

    def test_recipes_hold_no_pixels_and_only_judging_splits(self, data):
        recipes = ParquetTable(data / "04_feature/degraded").read()
        assert set(recipes.split) == {"validation", "test"}
        assert set(recipes.degradation) == DEGRADATIONS
        assert sum(file.stat().st_size for file in (data / "04_feature/degraded").iterdir()) < 50_000

    def test_predictions_cover_every_condition(self, data):
        predictions = ParquetTable(data / "07_model_output/predictions").read()
        clean = predictions[predictions.condition == "clean"]
        degraded = predictions[predictions.condition == "degraded"]
        assert clean.face_id.is_unique
        assert len(degraded) == degraded.face_id.nunique() * len(DEGRADATIONS) * 2
        assert predictions.fake_probability.between(0, 1).all()
        assert clean.psnr.isna().all()
        assert degraded.psnr.notna().all()


class TestJudgement:
    def test_every_figure_has_an_interval_around_it(self, metrics):
        for name in (*DETECTION_METRICS, *CONFUSION_CELLS):
            figure = metrics["detection"][name]
            assert set(figure) == {"value", "low", "high"}
            if figure["low"] is not None:
                assert figure["low"] <= figure["high"]

    def test_figures_are_those_of_the_predictions(self, metrics, data):
        from sklearn.metrics import accuracy_score, roc_auc_score

        predictions = ParquetTable(data / "07_model_output/predictions").read()
        clean = predictions[predictions.condition == "clean"]
        verdicts = clean.fake_probability >= metrics["threshold"]
        assert metrics["detection"]["accuracy"]["value"] == pytest.approx(accuracy_score(clean.label, verdicts))
        assert metrics["detection"]["auroc"]["value"] == pytest.approx(
            roc_auc_score(clean.label, clean.fake_probability)
        )
        pairs = predictions[predictions.condition.isin(["degraded", "enhanced"])].pivot(
            index=["face_id", "degradation", "severity"], columns="condition", values="psnr"
        )
        gain = (pairs.enhanced - pairs.degraded).mean()
        assert metrics["restoration"]["mean"]["psnr_gain"]["value"] == pytest.approx(gain, abs=1e-4)

    def test_every_face_is_judged_as_it_is_and_enhanced_by_the_rule_of_each(self, data, metrics):
        predictions = ParquetTable(data / "07_model_output/predictions").read()
        counts = predictions.condition.value_counts()
        assert counts["clean"] == counts["clean_enhanced"] == metrics["faces"]["test"]
        assert counts["degraded"] == counts["enhanced"] > 0
        assert set(metrics["verdicts"]["by_condition"]) == set(counts.index)
        clean, enhanced = (
            predictions[predictions.condition == name].set_index("face_id") for name in ("clean", "clean_enhanced")
        )
        assert (clean.sharpness == enhanced.sharpness[clean.index]).all(), "of the face as it came"
        assert (clean.fake_probability != enhanced.fake_probability[clean.index]).any()
        learnt = json.loads((data / "06_models/enhanced_verdicts.json").read_text())
        release = read_release(data / "06_models/candidate")
        assert release.enhanced_rule.unsure == UnsureRule.from_json(learnt["unsure"])

    def test_every_degradation_and_severity_is_judged(self, metrics):
        for table in ("restoration", "detection_by_condition"):
            assert set(metrics[table]) == DEGRADATIONS | {"mean"}
            assert {"2", "4"} <= set(metrics[table]["jpeg"])

    def test_the_threshold_was_chosen_on_validation_and_calibration_faces(self, data, metrics):
        chosen = json.loads((data / "06_models/operating_point.json").read_text())
        chosen_on = [len(open_packed(data / "05_model_input" / split)) for split in ("validation", "calibration")]
        assert chosen["calibration_faces"] == sum(chosen_on) and min(chosen_on) > 0
        assert chosen["threshold"] == metrics["threshold"]
        assert chosen["rule"] == "best balanced accuracy on validation and calibration faces"


class TestReport:
    def test_it_is_one_file_with_its_pictures_inside(self, data):
        page = (data / "08_reporting/report.html").read_text()
        assert page.count("data:image/png;base64,") == 9
        assert "http://" not in page
        assert "https://" not in page

    def test_it_says_the_three_headline_figures(self, data, metrics):
        page = (data / "08_reporting/report.html").read_text()
        assert f"{metrics['headline']['auroc']['value']:.3f}" in page
        assert f"{metrics['headline']['psnr_gain_db']['value']:.2f}" in page
        assert f"{metrics['headline']['auroc_change_by_enhancement']['value']:.3f}" in page

    def test_every_picture_has_an_interactive_twin(self, data):
        figures = data / "08_reporting/figures"
        pictures = {file.stem for file in figures.glob("*.png")} - {"before_after", "by_severity", "restoration_sheet"}
        plots = {file.stem: json.loads(file.read_text()) for file in figures.glob("*.json")}
        assert pictures == set(plots)
        assert all({"data", "layout"} <= plot.keys() for plot in plots.values())


class TestModels:
    def test_they_load_and_are_what_was_asked_for(self, data):
        assert network_name(load_network((data / "06_models/detector.safetensors").read_bytes())) == "meso4"
        assert network_name(load_network((data / "06_models/enhancer.safetensors").read_bytes())) == "recurrent_unet"

    def test_the_candidate_holds_what_scoring_needs(self, data):
        from deepfake_pipeline.scoring.release import find_release

        release = find_release("last-run", data / "06_models")
        assert release.name.startswith("last-run-")
        assert release.geometry.kind == "aligned"
        assert (release.geometry.height, release.geometry.width) == (64, 64)


class TestTracking:
    @pytest.fixture(scope="class")
    def client(self):
        return mlflow.MlflowClient(os.environ["MLFLOW_TRACKING_URI"])

    @pytest.fixture(scope="class")
    def runs(self, client, finished):
        """All runs of the finished project by name, the outermost one under its pipeline's name."""
        experiment = client.get_experiment_by_name("deepfake_pipeline")
        found = client.search_runs([experiment.experiment_id])
        whole = min((run for run in found if run.info.run_name == "__default__"), key=lambda run: run.info.start_time)
        tree = {"__default__": whole}
        for _ in range(2):
            known = {run.info.run_id for run in tree.values()}
            tree |= {run.info.run_name: run for run in found if run.data.tags.get("mlflow.parentRunId") in known}
        return tree

    def test_a_run_holds_its_stages_and_they_the_networks_trained(self, runs):
        assert set(runs) == {"__default__", *STAGES, "train_detector", "train_enhancer", "train_router"}
        assert {run.info.status for run in runs.values()} == {"FINISHED"}
        parent = {name: run.data.tags.get("mlflow.parentRunId") for name, run in runs.items()}
        assert parent["train_detector"] == runs["detector_training"].info.run_id
        assert parent["train_enhancer"] == runs["enhancer_training"].info.run_id
        assert parent["train_router"] == runs["restoration"].info.run_id

    def test_the_outermost_run_holds_parameters_and_the_summary(self, runs, data):
        run = runs["__default__"].data
        assert run.params["study.height"] == "64"
        assert run.params["detector_training.training.max_epochs"] == "2"
        summary = json.loads((data / "08_reporting/summary.json").read_text())
        for name, value in summary.items():
            assert run.metrics.get(name) == value

    def test_metrics_by_epoch_stand_with_the_network(self, runs, client):
        assert len(client.get_metric_history(runs["train_detector"].info.run_id, "detector/val_loss")) == 2
        files = {item.path for item in client.list_artifacts(runs["train_detector"].info.run_id, "models")}
        assert files == {"models/detector.safetensors"}

    def test_a_stage_holds_its_figures_its_time_and_its_memory(self, runs, client):
        run = runs["evaluation"]
        assert run.data.metrics["seconds/evaluation/predict"] > 0
        assert run.data.metrics["peak_gigabytes/evaluation/predict"] > 0.1
        assert "metrics/detection/auroc/value" in run.data.metrics
        artifacts = {item.path for item in client.list_artifacts(run.info.run_id)}
        assert {"figures", "report.html"} <= artifacts

    def test_it_says_what_it_was_made_of(self, runs, data):
        tags = runs["__default__"].data.tags
        assert tags["version.torch"]
        assert tags["seed"] == "0"
        assert tags["device"] == "cpu"
        assert tags["cpu.features"]
        assert tags["sha256.manifest"] == sha256_of(data / "02_intermediate/manifest")

    def test_the_data_and_the_candidate_are_logged(self, runs):
        names = {entry.dataset.name for run in runs.values() for entry in run.inputs.dataset_inputs}
        assert {"manifest", "packed_train", "packed_test"} <= names
        models = mlflow.search_logged_models(
            experiment_ids=[runs["evaluation"].info.experiment_id], output_format="list"
        )
        candidate = next(model for model in models if model.source_run_id == runs["evaluation"].info.run_id)
        assert candidate.name == "candidate"


def test_the_summary_is_flat_and_that_of_the_metrics(data, metrics):
    summary = json.loads((data / "08_reporting/summary.json").read_text())
    assert summary["auroc"] == metrics["detection"]["auroc"]["value"]
    assert summary["auroc_low"] == metrics["detection"]["auroc"]["low"]
    assert all(value is None or isinstance(value, float) for value in summary.values())


def test_every_judgement_is_remembered(data):
    (record,) = (json.loads(file.read_text()) for file in data.glob("08_reporting/evaluation_record.json/*/*.json"))
    assert record["networks"]["detector"]["sha256"] == sha256_of(data / "06_models/detector.safetensors")
    assert record["summary"] == json.loads((data / "08_reporting/summary.json").read_text())


def test_a_second_clean_run_with_other_workers_gives_the_same_bytes(finished, make_project):
    again = make_project()
    again.run(params={"compute": {"workers": 2, "loader_workers": 1}})
    first, second = finished.bytes_of_outputs(), again.bytes_of_outputs()
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
