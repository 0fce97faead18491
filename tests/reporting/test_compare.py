import json
import os

import cv2
import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.torch import load_file, save_file

from deepfake_pipeline.reporting.compare import compare_runs, data_root
from deepfake_pipeline.reporting.compare_output import PER_FOLDER, as_json, lines
from deepfake_pipeline.reporting.differences import compare_values
from deepfake_pipeline.reporting.gaps import Gap, gap
from deepfake_pipeline.tables.errors import UserError
from tests.reporting.runs import SCHEMA, metrics, rows, write_json, write_run, write_table

TOLERANCE = 1e-6
PREDICTIONS = "07_model_output/predictions"
DETECTOR = "06_models/detector.safetensors"
METRICS = "08_reporting/metrics.json"
IMAGES = "05_model_input/test/images.npy"
PICTURE = "08_reporting/figures/roc.png"
NETWORK = {"network": json.dumps({"name": "meso4", "config": {"image_size": 64, "dropout": 0.5}})}


@pytest.fixture
def runs(tmp_path):
    return write_run(tmp_path / "a"), write_run(tmp_path / "b")


def compared(runs, tolerance=TOLERANCE):
    return {comparison.path: comparison for comparison in compare_runs(*runs, tolerance)}


def changed(runs, tolerance=TOLERANCE):
    """The one dataset that is not the same."""
    found = [comparison for comparison in compare_runs(*runs, tolerance) if comparison.status != "same"]
    assert len(found) == 1
    return found[0]


def details(comparison):
    return {detail.where: detail for detail in comparison.details}


def test_equal_runs_are_the_same(runs):
    found = compared(runs)
    assert set(found) == {PREDICTIONS, DETECTOR, METRICS, IMAGES, PICTURE, "01_raw/media/clip.mp4"}
    assert {comparison.status for comparison in found.values()} == {"same"}


class TestGap:
    numbers = hnp.arrays(np.float64, 5, elements=st.floats(width=64))

    @settings(deadline=None, max_examples=60)
    @given(numbers, numbers)
    def test_it_agrees_with_numpy_isclose(self, a, b):
        tolerance = 1e-3
        with np.errstate(all="ignore"):
            bound = tolerance * np.maximum(1, np.maximum(abs(a), abs(b)))
            close = [
                np.isclose(x, y, rtol=0, atol=limit if np.isfinite(limit) else 0, equal_nan=True)
                for x, y, limit in zip(a, b, bound, strict=True)
            ]
        found = gap(a, b, tolerance)
        assert found.beyond == len(a) - sum(close)
        assert found.differing == sum(not (x == y or (np.isnan(x) and np.isnan(y))) for x, y in zip(a, b, strict=True))
        assert gap(b, a, tolerance) == found

    @settings(deadline=None, max_examples=60)
    @given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
    def test_whole_numbers_must_be_equal(self, a, b):
        found = gap(np.array([a]), np.array([b]), 1e9)
        assert found.beyond == found.differing == (a != b)

    def test_figures(self):
        a, b = np.float32([1, 2, 100, np.nan]), np.float32([1, 2.5, 110, 4])
        assert gap(a, b, 0.1) == Gap(3, 2, 10.0, pytest.approx(0.2))  # 0.5 and NaN are beyond, 10 of 110 is not


class TestTables:
    def rewrite(self, run, values, **options):
        for shard in (run / PREDICTIONS).iterdir():
            shard.unlink()
        write_table(run / PREDICTIONS, values, **options)

    def test_the_largest_difference_of_each_column(self, runs):
        values = rows()
        values[1]["fake_probability"] += 0.25
        values[2]["fake_probability"] -= 0.125
        values[3]["landmarks"] = [1.0, 1.5, 2.0]
        values[4]["crop"] = b"other"
        values[5]["condition"] = None
        self.rewrite(runs[1], values)
        found = changed(runs)
        assert found.status == "differs"
        columns = details(found)
        assert set(columns) == {"fake_probability", "landmarks", "crop", "condition"}
        assert columns["fake_probability"].gap == Gap(2, 2, pytest.approx(0.25), pytest.approx(0.75))
        assert columns["landmarks"].gap == Gap(1, 1, 0.5, pytest.approx(1 / 3))
        assert columns["crop"].gap.differing == columns["condition"].gap.differing == 1

    def test_other_shards_of_the_same_rows_are_close(self, runs):
        self.rewrite(runs[1], rows(), shard=4)
        assert changed(runs).status == "close"
        assert not changed(runs).details

    def test_a_difference_within_the_tolerance_is_close(self, runs):
        values = rows()
        values[0]["fake_probability"] += 1e-4
        self.rewrite(runs[1], values)
        assert changed(runs, 1e-3).status == "close"
        assert changed(runs, 1e-5).status == "differs"

    @pytest.mark.parametrize("missing", [[0], [1], [2, 3], [1500, 1501, 1503], [2999]])
    def test_rows_are_matched_by_id(self, tmp_path, missing):
        values = rows(1500)
        others = [row for number, row in enumerate(values) if number not in missing]
        others[-1] = {**others[-1], "fake_probability": 0.0}
        for side, held in (("a", values), ("b", others)):
            write_table(tmp_path / side / PREDICTIONS, held, shard=700)
        columns = details(changed((tmp_path / "a", tmp_path / "b")))
        assert columns["rows"].note == f"{len(missing)} only in A, 0 only in B"
        assert set(columns) == {"rows", "fake_probability"}
        assert columns["fake_probability"].gap.differing == 1

    def test_many_rows_may_share_an_id(self, tmp_path):
        values = [{**row, "face_id": "f" if row["face_id"] < "f00900" else "g"} for row in rows(1000)]
        for side, held in (("a", values), ("b", values[:-1])):
            write_table(tmp_path / side / PREDICTIONS, held)
        assert details(changed((tmp_path / "a", tmp_path / "b")))["rows"].note == "1 only in A, 0 only in B"

    def test_rows_out_of_order_are_matched_by_number(self, tmp_path):
        values = rows(4)[::-1]
        for side, held in (("a", values), ("b", values[:-1])):
            write_table(tmp_path / side / PREDICTIONS, held)
        found = changed((tmp_path / "a", tmp_path / "b"))
        assert list(details(found)) == ["rows"]

    def test_columns_and_types(self, runs):
        others = pa.schema([SCHEMA.field("face_id"), pa.field("severity", pa.int16()), pa.field("new", pa.string())])
        self.rewrite(
            runs[1], [{"face_id": row["face_id"], "severity": row["severity"]} for row in rows()], schema=others
        )
        columns = details(changed(runs))
        assert columns["severity"].note == "type int8 against int16"
        assert columns["new"].note == "only in B"
        assert columns["crop"].note == "only in A"

    def test_an_empty_table(self, runs):
        self.rewrite(runs[1], [])
        assert details(changed(runs))["rows"].note == "6 only in A, 0 only in B"


class TestOtherKinds:
    def test_a_tensor(self, runs):
        tensors = load_file(runs[1] / DETECTOR)
        tensors["head.weight"][1, 2] += 0.5
        save_file(tensors, runs[1] / DETECTOR, NETWORK)
        found = changed(runs)
        assert found.status == "differs"
        assert list(details(found)) == ["head.weight"]
        assert found.details[0].gap.absolute == pytest.approx(0.5)

    def test_tensors_of_other_names_shapes_and_types(self, runs):
        tensors = {"head.weight": torch.zeros(2, 2), "steps": torch.tensor(7.0), "tail": torch.zeros(1)}
        save_file(tensors, runs[1] / DETECTOR, {"network": NETWORK["network"].replace("64", "128")})
        found = details(changed(runs))
        assert found["head.weight"].note == "shape 3×4 against 2×2"
        assert found["tail"].note == "only in B"
        assert found["header.network.config.image_size"].gap.absolute == 64

    def test_half_precision(self, runs):
        for run, value in zip(runs, (1.0, 1.5), strict=True):
            save_file({"w": torch.full((3,), value, dtype=torch.bfloat16)}, run / DETECTOR)
        assert changed(runs).details[0].gap == Gap(3, 3, 0.5, pytest.approx(1 / 3))

    def test_an_array(self, runs):
        images = np.load(runs[1] / IMAGES)
        images[2, 1] += 9
        np.save(runs[1] / IMAGES, images)
        found = changed(runs)
        assert found.details[0].gap == Gap(18, 18, 9.0, pytest.approx(found.details[0].gap.relative))
        np.save(runs[1] / IMAGES, images[:2])
        assert changed(runs).details[0].note == "shape 4×5×6×3 against 2×5×6×3"

    def test_names_in_an_array(self, runs):
        for run, name in zip(runs, (b"x", b"y"), strict=True):
            np.save(run / IMAGES, np.array([b"a", name], "S64"))
        assert changed(runs).details[0].gap.differing == 1

    def test_a_document_shows_the_largest_difference_first(self, runs):
        others = metrics()
        others["auroc"]["value"] += 0.05
        others["curve"][1] += 0.2
        others["faces"] = 97
        others["rule"] = "worst"
        write_json(runs[1] / METRICS, others)
        found = changed(runs)
        assert [detail.where for detail in found.details] == ["faces", "curve[1]", "auroc.value", "rule"]
        assert found.details[3].note == '"best" against "worst"'

    def test_a_document_within_the_tolerance(self, runs):
        write_json(runs[1] / METRICS, {**metrics(), "far": 1e6 + 0.5})
        assert changed(runs).status == "close"
        assert changed(runs, 1e-8).status == "differs"

    @pytest.mark.parametrize(("a", "b"), [(1, True), (None, 0), ([1], [1, 2]), ({"x": 1}, {"y": 1}), ("1", 1), (5, 6)])
    def test_values_of_another_kind_differ(self, a, b):
        assert not all(detail.within for detail in compare_values("", a, b, 1e9))

    def test_a_version_is_no_difference(self, runs):
        for run, version in zip(runs, ("2026-11-21T08.09.05.123Z", "2027-01-02T03.04.05.678Z"), strict=True):
            write_json(run / METRICS, {"folder": f"releases/{version}"})
        assert changed(runs).status == "close"

    def test_a_picture(self, runs):
        picture = np.full((20, 30, 3), 100, np.uint8)
        picture[0, 0, 0] = 160
        cv2.imwrite(str(runs[1] / PICTURE), picture)
        found = changed(runs)
        assert found.details[0].gap == Gap(1, 1, 60.0, pytest.approx(60 / 255))
        assert f"{60 / 1800:.2g}" in found.details[0].where
        cv2.imwrite(str(runs[1] / PICTURE), picture[:10])
        assert changed(runs).details[0].note == "30×20 against 30×10 px"

    def test_the_same_pixels_in_other_bytes_are_close(self, runs):
        picture = np.full((20, 30, 3), 100, np.uint8)
        cv2.imwrite(str(runs[1] / PICTURE), picture, [cv2.IMWRITE_PNG_COMPRESSION, 0])
        assert changed(runs).status == "close"

    def test_other_files_by_bytes(self, runs):
        clip = runs[1] / "01_raw/media/clip.mp4"
        clip.write_bytes(bytes(range(100)) + b"\0" * 50)
        assert changed(runs).details[0].note == "200 against 150 bytes, the first that differs is number 100"


class TestFolders:
    def test_what_is_on_one_side_only(self, runs):
        (runs[0] / METRICS).unlink()
        (runs[1] / "08_reporting/extra").mkdir()
        for name in "xy":
            (runs[1] / "08_reporting/extra" / name).write_text(name)
        found = compared(runs)
        assert found[METRICS].status == "only B"
        assert found["08_reporting/extra"].status == "only B"
        assert found["08_reporting/extra"].details[0].note == "2 files"

    def test_the_newest_version_counts(self, runs):
        for run, versions in zip(runs, (["2026-01-01", "2026-03-01"], ["2026-02-01"]), strict=True):
            for number, day in enumerate(versions):
                folder = run / f"08_reporting/record.json/{day}T01.02.03.004Z"
                folder.mkdir(parents=True)
                write_json(folder / "record.json", {"auroc": 0.8 if number == len(versions) - 1 else 0.1})
        assert compared(runs)["08_reporting/record.json/record.json"].status == "same"

    def test_checkpoints_and_unfinished_files_are_left_out(self, runs):
        for name in (".checkpoints/training/last.ckpt", "06_models/.detector.safetensors.part", "mine/notes.txt"):
            (runs[1] / name).parent.mkdir(parents=True, exist_ok=True)
            (runs[1] / name).write_text("x")
        assert {comparison.status for comparison in compared(runs).values()} == {"same"}

    def test_a_link_that_leads_back_ends(self, runs):
        for run in runs:
            os.symlink(run / "06_models", run / "06_models/self")
        assert {comparison.status for comparison in compared(runs).values()} == {"same"}

    def test_a_checkout_stands_for_its_data(self, tmp_path):
        root = write_run(tmp_path / "checkout" / "data")
        assert data_root(tmp_path / "checkout") == data_root(root) == root

    def test_an_overlay_is_named(self, tmp_path):
        (tmp_path / "data/dfdc/01_raw").mkdir(parents=True)
        with pytest.raises(UserError, match="name one of"):
            data_root(tmp_path)


@pytest.mark.parametrize("path", [DETECTOR, METRICS, IMAGES, PICTURE, f"{PREDICTIONS}/part-00000.parquet"])
@pytest.mark.parametrize("damage", ["cut", "emptied", "noise", "link"])
def test_a_damaged_file_is_one_line(runs, path, damage):
    file = runs[1] / path
    data = file.read_bytes()
    file.unlink()
    if damage == "link":
        file.symlink_to("gone")
    else:
        file.write_bytes({"cut": data[: len(data) // 2], "emptied": b"", "noise": b"\xff" * len(data)}[damage])
    found = changed(runs)
    assert found.status == "damaged"
    assert str(runs[1]) in found.details[0].note
    assert "\n" not in found.details[0].note


def test_a_document_nested_too_deep_is_damaged(runs):
    for run, depth in zip(runs, (100_000, 99_999), strict=True):
        (run / METRICS).write_text("[" * depth + "]" * depth)
    assert changed(runs).status == "damaged"


class TestOutput:
    def test_equal_things_are_one_line(self, runs):
        assert list(lines(compare_runs(*runs, TOLERANCE), TOLERANCE, 80)) == ["6 the same byte for byte"]

    def test_the_table(self, runs):
        write_json(runs[1] / METRICS, {**metrics(), "faces": 97, "far": 1e6 + 0.5})
        (runs[1] / PICTURE).unlink()
        shown = list(lines(compare_runs(*runs, TOLERANCE), TOLERANCE, 80))
        assert all(len(line) <= 80 for line in shown)
        assert [line.split() for line in shown[:4]] == [
            ["dataset", "absolute", "relative", "values"],
            [METRICS, "differs", "1", "0.01", "2"],
            ["faces", "1", "0.01", "1"],
            ["far", "0.5", "5e-07", "1"],
        ]
        assert shown[4].split() == [PICTURE, "only", "A"]
        assert shown[5] == "4 the same byte for byte, 1 different, 1 only in A"

    def test_a_folder_of_many_is_cut_short(self, runs):
        for number in range(PER_FOLDER + 5):
            (runs[0] / f"01_raw/media/{number:03d}.mp4").write_bytes(b"x")
        shown = list(lines(compare_runs(*runs, TOLERANCE), TOLERANCE, 80))
        assert shown[-2] == "… and 5 more in 01_raw/media"
        assert len(shown) == PER_FOLDER + 3

    def test_json(self, runs):
        write_json(runs[1] / METRICS, {**metrics(), "rule": "worst", "faces": 95})
        assert json.loads(as_json(changed(runs))) == {
            "path": METRICS,
            "status": "differs",
            "details": [
                {
                    "where": "faces",
                    "differing": 1,
                    "beyond_tolerance": 1,
                    "largest_absolute": 1.0,
                    "largest_relative": 1 / 96,
                },
                {"where": "rule", "note": '"best" against "worst"'},
            ],
        }
