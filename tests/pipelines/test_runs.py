"""How runs behave: parts of the pipeline, wrong parameters, wrong sources."""

import shutil

import cv2
import numpy as np
import pytest

from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.stream import ParquetTable


def test_a_part_runs_alone_on_what_is_there(finished):
    metrics = finished.root / "data/08_reporting/metrics.json"
    before = metrics.read_bytes()
    metrics.unlink()
    finished.run("evaluation")
    assert metrics.read_bytes() == before


def test_only_missing_outputs_are_made_again(finished):
    data = finished.root / "data"
    before = (data / "06_models/detector.safetensors").stat().st_mtime_ns
    page = (data / "08_reporting/report.html").read_bytes()
    (data / "08_reporting/report.html").unlink()
    finished.run(only_missing_outputs=True)
    assert (data / "08_reporting/report.html").read_bytes() == page
    assert (data / "06_models/detector.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"studdy": {"height": 3}}, "unknown parameter group studdy"),
        ({"study": {"heigth": 30}}, "study.heigth: no such key"),
        ({"study": {"height": 3}}, "study.height: Input should be greater than or equal to 16, not 3"),
        ({"detector_training": {"network": "vgg"}}, "unknown network 'vgg'"),
        ({"detector_training": {"training": {"epochs": 1}}}, "unknown setting epochs"),
        ({"enhancer_training": {"training": {"patch": -1}}}, "patch is -1"),
        ({"ingestion": {"split_shares": {"train": 0.9}}}, "split_shares"),
        ({"degradation": {"names": ["fog"]}}, "unknown degradation fog"),
        ({"compute": {"accelerator": "tpu"}}, "compute.accelerator"),
    ],
)
def test_wrong_parameters_stop_a_run_before_any_work(make_project, params, message):
    project = make_project()
    with pytest.raises(UserError, match=message) as caught:
        project.run(params=params)
    assert "\n" not in str(caught.value)
    assert not (project.root / "data").exists()


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ({"layout": "folders"}, "study.uri is not set"),
        ({"layout": "folders", "uri": "not/there"}, "does not exist"),
    ],
)
def test_a_source_that_is_not_there_stops_a_run_before_any_work(make_project, study, message):
    project = make_project()
    with pytest.raises(UserError, match=message):
        project.run(params={"study": study})
    assert not (project.root / "data/01_raw").exists()


def test_an_output_folder_that_cannot_be_written_stops_a_run_before_any_work(make_project):
    project = make_project()
    (project.root / "data").mkdir()
    (project.root / "data/06_models").write_text("a file where a folder should be")
    with pytest.raises(UserError, match=r"cannot write .* to .*06_models"):
        project.run()
    assert not (project.root / "data/01_raw").exists()


def write_faces(folder, count, seed=0):
    """Textured squares: pictures that decode, different from each other."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(count):
        coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number:03d}.png"), cv2.resize(coarse, (48, 48), interpolation=cv2.INTER_CUBIC))


def test_a_source_of_one_class_stops_before_faces_are_extracted(make_project, tmp_path):
    write_faces(tmp_path / "source/Real", 40)
    project = make_project()
    with pytest.raises(UserError, match="forged") as caught:
        project.run(params={"study": {"layout": "folders", "uri": str(tmp_path / "source")}})
    assert "\n" not in str(caught.value)
    assert not (project.root / "data/03_primary").exists()


def test_bad_files_become_rows_and_the_rest_is_extracted(make_project, tmp_path):
    source = tmp_path / "source"
    write_faces(source / "Real", 5)
    write_faces(source / "Fake", 5, seed=1)
    (source / "Real/empty.jpg").touch()
    (source / "Fake/text.jpg").write_text("no picture")
    picture = (source / "Real/000.png").read_bytes()
    (source / "Fake/cut.png").write_bytes(picture[: len(picture) // 2])
    shutil.copy(source / "Real/001.png", source / "Fake/same.png")
    project = make_project()
    study = {"layout": "folders", "uri": str(source), "name": "squares"}
    params = {"study": study, "face_extraction": {"given_crops": True}}
    project.run("ingestion", "face_extraction", params=params)
    data = project.root / "data"
    rejected = ParquetTable(data / "02_intermediate/rejected_files").read()
    assert dict(zip(rejected.path, rejected.reason, strict=True)) == {
        "Fake/cut.png": "unreadable",
        "Fake/same.png": "label_conflict",
        "Real/001.png": "label_conflict",
        "Fake/text.jpg": "unsupported_type",
        "Real/empty.jpg": "empty",
    }
    assert ParquetTable(data / "03_primary/faces").count() == 9
    assert not (data / "01_raw/media/files").exists(), "a local folder is used where it lies"


def test_equal_studies_give_equal_faces(make_project, tmp_path):
    from deepfake_pipeline.media.study import DatasetStudy

    write_faces(tmp_path / "source/Real", 4)
    write_faces(tmp_path / "source/Fake", 4, seed=1)
    study = DatasetStudy(name="ours", uri=str(tmp_path / "source"), layout="folders", height=32, width=40, type="webp")
    shared = DatasetStudy.from_json(study.to_json())
    assert shared == study
    outputs = []
    for one in (study, shared):
        project = make_project()
        params = {"study": one.model_dump(mode="json"), "face_extraction": {"given_crops": True}}
        project.run("ingestion", "face_extraction", params=params)
        outputs.append(project.bytes_of_outputs())
    assert outputs[0] == outputs[1]


def test_a_leak_that_is_not_tolerated_stops_before_anything_is_trained(make_project, tmp_path):
    source = tmp_path / "source"
    write_faces(source / "Real", 24)
    write_faces(source / "Fake", 24, seed=1)
    for number in range(12):  # the same picture in another file, hence in another group and often another split
        picture = cv2.imread(str(source / f"Real/{number:03d}.png"))
        cv2.imwrite(str(source / f"Real/again{number}.jpg"), picture)
    project = make_project()
    study = {"layout": "folders", "uri": str(source), "name": "squares"}
    ingestion = {"tolerated_leaks": [], "split_salt": "2"}
    with pytest.raises(UserError, match="certificate of the splits does not hold") as caught:
        project.run(params={"study": study, "ingestion": ingestion, "face_extraction": {"given_crops": True}})
    assert "\n" not in str(caught.value)
    assert not (project.root / "data/05_model_input").exists()
