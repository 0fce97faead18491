import logging
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pydantic import ValidationError

from deepfake_pipeline.media.archives import ArchiveLimits
from deepfake_pipeline.media.images import encode_image, resize
from deepfake_pipeline.media.index import IndexResult, index_source
from deepfake_pipeline.media.index_params import IndexParams
from deepfake_pipeline.media.sources import MediaSource, locate
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.tables import ParquetTable, RecordStream
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.schemas import MANIFEST, NEAR_DUPLICATES, REJECTED_FILES
from deepfake_pipeline.tables.splits import SPLITS, hash_split
from deepfake_pipeline.tables.stream import write_shards
from tests.media.pictures import encoded, png_bomb, png_of_size, smooth, write_picture

FOLDERS = DatasetStudy(name="mine", layout="folders")
MANIFEST_STUDY = DatasetStudy(name="mine", layout="manifest")


def index(
    root: Path, study: DatasetStudy = FOLDERS, *, labels: bool = True, workers: int = 1, **params: Any
) -> IndexResult:
    return index_source(MediaSource(root, []), study, IndexParams(**params), workers, labels)


def rows(stream: RecordStream) -> list[dict[str, Any]]:
    return [row for batch in stream for row in batch.to_pylist()]


def reasons(result: IndexResult) -> dict[str, str]:
    return {row["path"]: row["reason"] for row in rows(result.rejected)}


def by_path(result: IndexResult, column: str) -> dict[str, Any]:
    return {row["path"]: row[column] for row in rows(result.manifest)}


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def fill(root: Path, count: int) -> None:
    """``count`` real faces and as many forgeries of the same names."""
    for number in range(count):
        write_picture(root / f"Real/{number:03d}.png", number)
        write_picture(root / f"Fake/{number:03d}.png", 1000 + number)


def stored(stream: RecordStream, folder: Path) -> ParquetTable:
    folder.mkdir()
    write_shards(stream, folder)
    return ParquetTable(folder)


class TestManifest:
    def test_a_row_says_all(self, tmp_path):
        path = write_picture(tmp_path / "Fake/FaceSwap/7.png", 1)
        write_picture(tmp_path / "Real/8.png", 2)
        (row,) = (row for row in rows(index(tmp_path).manifest) if row["label"])
        assert row["path"] == "Fake/FaceSwap/7.png" and row["sample_id"] == row["sha256"][:16]
        assert (row["method"], row["source"], row["group"]) == ("FaceSwap", "mine", "7")
        assert (row["width"], row["height"], row["bytes"]) == (40, 48, path.stat().st_size)

    def test_schemas_order_and_repeatable_reading(self, tmp_path):
        fill(tmp_path, 20)
        write(tmp_path / "Real/z.jpg", b"text")
        write(tmp_path / "Real/a.jpg", b"")
        result = index(tmp_path)
        assert [stream.schema for stream in result] == [MANIFEST, REJECTED_FILES, NEAR_DUPLICATES]
        ids = [row["sample_id"] for row in rows(result.manifest)]
        assert len(ids) == 40 and ids == sorted(ids)
        assert list(reasons(result)) == ["Real/a.jpg", "Real/z.jpg"]
        assert rows(result.manifest) == rows(result.manifest) and reasons(result) == reasons(result)

    def test_the_number_of_workers_changes_no_byte(self, tmp_path):
        fill(tmp_path / "media", 70)
        write(tmp_path / "media/Real/empty.jpg", b"")
        files = []
        for workers in (1, 2):
            table = stored(index(tmp_path / "media", workers=workers).manifest, tmp_path / str(workers))
            files.append([path.read_bytes() for path in sorted(table.path.iterdir())])
        assert files[0] == files[1]

    def test_single_image(self, tmp_path):
        fill(tmp_path, 3)
        by_name = index(tmp_path, FOLDERS.model_copy(update={"single_image": "Real/001.png"}))
        assert by_path(by_name, "label") == {"Real/001.png": 0} and not reasons(by_name)
        write_picture(tmp_path / "Real/only.png", 50)
        assert len(rows(index(tmp_path, FOLDERS.model_copy(update={"single_image": "only.png"})).manifest)) == 1
        with pytest.raises(
            UserError, match=r"2 files are called 001\.png \(Fake/001\.png, Real/001\.png\); give the path"
        ):
            index(tmp_path, FOLDERS.model_copy(update={"single_image": "001.png"}))
        with pytest.raises(UserError, match=r"no file of the source is called 9\.png"):
            index(tmp_path, FOLDERS.model_copy(update={"single_image": "9.png"}))

    def test_rendered(self, tmp_path):
        paths = [write_picture(tmp_path / f"{n}.png", n).name for n in range(3)]
        truth = {
            "path": [*paths, "gone.png"],
            "label": [0, 1, 0, 1],
            "method": [None, "swap", None, "swap"],
            "pair": list("aabb"),
        }
        pq.write_table(pa.table(truth), tmp_path / "truth.parquet")
        result = index(tmp_path, DatasetStudy())
        assert by_path(result, "group") == {"0.png": "a", "1.png": "a", "2.png": "b"}
        assert reasons(result) == {"gone.png": "missing"}

    def test_log_counts_the_refused(self, tmp_path, caplog):
        fill(tmp_path, 2)
        write(tmp_path / "Real/a.jpg", b"")
        write(tmp_path / "Real/b.jpg", b"")
        with caplog.at_level(logging.INFO):
            index(tmp_path)
        assert "mine: 4 files in the manifest; refused: empty 2" in caplog.text

    def test_a_group_that_swallows_the_dataset_is_told(self, tmp_path, caplog):
        for number in range(25):
            write_picture(tmp_path / f"Fake/video/{number}.png", number)
            write_picture(tmp_path / f"Real/{number}.png", 100 + number)
        index(tmp_path)
        assert "group video holds 25 of 50 files" in caplog.text


class TestBadInput:
    def test_every_file_of_the_list(self, tmp_path):
        picture = smooth(1)
        good = {
            "cmyk.jpg": encoded(Image.fromarray(smooth(2)).convert("CMYK"), "JPEG"),
            "deep.png": encoded(Image.fromarray(smooth(3)[..., 0].astype("uint16") * 257), "PNG"),
            "palette.png": encoded(Image.fromarray(smooth(4)).convert("P"), "PNG"),
            "alpha.png": encoded(Image.fromarray(smooth(5)).convert("RGBA"), "PNG"),
            "turned.jpg": encoded(
                smooth(6), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"
            ),
            "animated.gif": encoded(smooth(7), "GIF", save_all=True, append_images=[Image.fromarray(smooth(8))]),
        }
        bad = {
            "empty.jpg": (b"", "empty"),
            "truncated.jpg": (encoded(picture, "JPEG")[:500], "unreadable"),
            "text.jpg": (b"not a picture", "unsupported_type"),
            "zero.png": (png_of_size(0, 0), "unreadable"),
            "pixel.png": (encoded(Image.new("RGB", (1, 1)), "PNG"), "too_small"),
            "bomb.png": (png_bomb(), "decompression_bomb"),
        }
        for name, data in (*good.items(), *((name, data) for name, (data, _) in bad.items())):
            write(tmp_path / "Real" / name, data)
        result = index(tmp_path)
        assert set(by_path(result, "label")) == {f"Real/{name}" for name in good}
        assert reasons(result) == {f"Real/{name}": reason for name, (_, reason) in bad.items()}

    def test_a_manifest_that_names_absent_files(self, tmp_path):
        write_picture(tmp_path / "faces/a.png", 1)
        write(tmp_path / "m.csv", b"file,label\nfaces/a.png,REAL\nfaces/gone.png,FAKE\n../x.png,FAKE\n,\n")
        result = index(tmp_path, MANIFEST_STUDY)
        assert by_path(result, "label") == {"faces/a.png": 0}
        assert reasons(result) == {"faces/gone.png": "missing", "../x.png": "unsafe_path", "m.csv, row 5": "unreadable"}

    def test_a_file_that_the_archive_lost_is_told_once(self, tmp_path):
        picture = encoded(smooth(1), "PNG")
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("m.csv", "file,label\na.png,REAL\nbomb.png,FAKE\n")
            archive.writestr("a.png", picture)
            archive.writestr(zipfile.ZipInfo("bomb.png"), bytes(10**7), zipfile.ZIP_DEFLATED)
        study = DatasetStudy(name="mine", layout="manifest", uri=str(tmp_path / "a.zip"))
        (tmp_path / "into").mkdir()
        rejected = locate(study, tmp_path, ArchiveLimits()).write_into(tmp_path / "into")
        result = index_source(MediaSource(tmp_path / "into", rejected), study, IndexParams())
        assert [(row["path"], row["reason"]) for row in rows(result.rejected)] == [("bomb.png", "decompression_bomb")]

    def test_nothing_vanishes(self, tmp_path):
        fill(tmp_path, 5)
        write(tmp_path / "notes.txt", b"hello")
        write(tmp_path / "Real/copy.png", (tmp_path / "Real/000.png").read_bytes())
        result = index(tmp_path)
        listed = [*by_path(result, "label"), *reasons(result)]
        assert sorted(listed) == sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*"))

    def test_unlabelled_files_are_used_where_no_label_is_needed(self, tmp_path):
        write_picture(tmp_path / "a.png", 1)
        write_picture(tmp_path / "Real/b.png", 2)
        write(tmp_path / "Real/c.png", b"")
        assert reasons(index(tmp_path)) == {"Real/c.png": "empty", "a.png": "unlabelled"}
        assert by_path(index(tmp_path, labels=False), "label") == {"a.png": None, "Real/b.png": 0}

    def test_an_undecodable_name(self, tmp_path):
        write_picture(tmp_path / "Real/a.png", 1)
        write_picture(tmp_path / "Real/\udcff.png", 2)
        assert reasons(index(tmp_path)) == {"Real/\\udcff.png": "unsafe_path"}

    @pytest.mark.parametrize("study", [FOLDERS, MANIFEST_STUDY, DatasetStudy()])
    def test_an_empty_source(self, tmp_path, study):
        with pytest.raises(UserError):
            index(tmp_path, study)

    def test_limits_are_parameters(self, tmp_path):
        write_picture(tmp_path / "Real/a.png", 1)
        assert reasons(index(tmp_path, images={"min_side": 41})) == {"Real/a.png": "too_small"}


class TestCopies:
    def test_the_first_by_path_is_kept(self, tmp_path):
        for name in ("b", "a", "c"):
            write_picture(tmp_path / f"Real/{name}.png", 1)
        result = index(tmp_path)
        assert list(by_path(result, "label")) == ["Real/a.png"]
        assert rows(result.rejected)[0] == {
            "path": "Real/b.png",
            "reason": "duplicate",
            "detail": "same bytes as Real/a.png",
        }

    def test_both_labels_refuse_every_copy(self, tmp_path):
        for path in ("Real/a.png", "Real/b.png", "Fake/c.png"):
            write_picture(tmp_path / path, 1)
        write_picture(tmp_path / "Real/d.png", 2)
        result = index(tmp_path)
        assert list(by_path(result, "label")) == ["Real/d.png"]
        assert reasons(result) == dict.fromkeys(("Fake/c.png", "Real/a.png", "Real/b.png"), "label_conflict")

    def test_copies_join_the_groups_they_lie_in(self, tmp_path):
        write_picture(tmp_path / "Fake/v1/1.png", 1)
        write_picture(tmp_path / "Fake/v1/2.png", 2)
        write_picture(tmp_path / "Fake/v2/1.png", 1)  # the copy
        write_picture(tmp_path / "Fake/v2/3.png", 3)
        write_picture(tmp_path / "Fake/v3/4.png", 4)
        groups = by_path(index(tmp_path), "group")
        assert groups == {"Fake/v1/1.png": "v1", "Fake/v1/2.png": "v1", "Fake/v2/3.png": "v1", "Fake/v3/4.png": "v3"}

    def test_a_labelled_copy_is_preferred_to_an_unlabelled_one(self, tmp_path):
        write_picture(tmp_path / "a.png", 1)
        write_picture(tmp_path / "Real/b.png", 1)
        assert by_path(index(tmp_path, labels=False), "label") == {"Real/b.png": 0}


class TestSplits:
    def test_hash_of_the_group(self, tmp_path):
        fill(tmp_path, 60)
        shares = {"train": 0.4, "validation": 0.2, "calibration": 0.2, "test": 0.2}
        manifest = rows(index(tmp_path, split_shares=shares, split_salt="s").manifest)
        assert all(row["split"] == hash_split(row["group"], shares, "s") for row in manifest)
        assert {row["split"] for row in manifest} == set(SPLITS)

    def test_added_files_move_no_row(self, tmp_path):
        fill(tmp_path, 20)
        before = by_path(index(tmp_path), "split")
        fill(tmp_path, 30)
        after = by_path(index(tmp_path), "split")
        assert all(after[path] == split for path, split in before.items())

    def official(self, root: Path, *splits: str, count: int = 40, **params: Any) -> dict[str, Counter]:
        for number, split in enumerate(splits):
            fill(root / split, 0)
            for face in range(count):
                write_picture(root / f"{split}/Real/{face}.png", 1000 * number + face)
                write_picture(root / f"{split}/Fake/{face}.png", 1000 * number + 500 + face)
        manifest = rows(index(root, split_policy="official", **params).manifest)
        for row in manifest:
            row["official"] = row["path"].split("/")[0]
        self.pairs = Counter((row["group"], row["split"]) for row in manifest)
        return {split: Counter(row["split"] for row in manifest if row["official"] == split) for split in splits}

    def test_the_official_split_is_followed(self, tmp_path):
        found = self.official(tmp_path, "Train", "Val", "Test", "Calibration", count=4)
        assert found["Train"] == {"train": 8} and found["Val"] == {"validation": 8}
        assert found["Test"] == {"test": 8} and found["Calibration"] == {"calibration": 8}

    def test_calibration_is_carved_out_of_train_by_group(self, tmp_path):
        found = self.official(tmp_path, "Train", "Validation", "Test", carved_share=0.25)
        assert found["Test"] == {"test": 80} and found["Validation"] == {"validation": 80}
        assert set(found["Train"]) == {"train", "calibration"} and 4 <= found["Train"]["calibration"] <= 40
        assert set(self.pairs.values()) == {2}  # a real face and its forgery stay together

    def test_validation_too_where_there_is_none(self, tmp_path):
        found = self.official(tmp_path, "Train", "Test", carved_share=0.2)
        assert set(found["Train"]) == {"train", "validation", "calibration"}

    def test_files_outside_of_the_official_split(self, tmp_path):
        write_picture(tmp_path / "Train/Real/1.png", 1)
        write_picture(tmp_path / "Real/2.png", 2)
        assert reasons(index(tmp_path, split_policy="official")) == {"Real/2.png": "unlabelled"}
        assert len(by_path(index(tmp_path, split_policy="official", labels=False), "split")) == 2

    def test_no_official_split_at_all(self, tmp_path):
        fill(tmp_path, 2)
        with pytest.raises(UserError, match="finds no official split; set split_policy to hash"):
            index(tmp_path, split_policy="official")


class TestNearDuplicates:
    def build(self, root: Path) -> None:
        """Ten pictures in Train, and one of them again, smaller and as JPEG, in Test and in Train."""
        for number in range(10):
            write_picture(root / f"Train/Real/{number}.png", number)
            write_picture(root / f"Test/Real/{number}.png", 100 + number)
        again = resize(smooth(3, 96, 80), 60, 50)
        write(root / "Test/Real/again.jpg", encode_image(again, "jpeg"))
        write(root / "Train/Real/again.png", encode_image(again, "png"))

    def test_only_pairs_in_different_splits(self, tmp_path):
        self.build(tmp_path)
        result = index(tmp_path, split_policy="official")
        paths = {row["sample_id"]: row["path"] for row in rows(result.manifest)}
        splits = by_path(result, "split")
        found = rows(result.near_duplicates)
        assert {frozenset((paths[row["sample_a"]], paths[row["sample_b"]])) for row in found} == {
            frozenset(("Test/Real/again.jpg", other)) for other in ("Train/Real/3.png", "Train/Real/again.png")
        }
        for row in found:
            assert row["sample_a"] < row["sample_b"] and row["similarity"] >= 0.9 and not row["mirrored"]
            assert (row["split_a"], row["split_b"]) == tuple(
                splits[paths[row[key]]] for key in ("sample_a", "sample_b")
            )

    def test_flat_pictures_are_none(self, tmp_path):
        for number in range(30):
            write(tmp_path / f"Real/{number}.png", encoded(Image.new("RGB", (40, 40), (number, 0, 0)), "PNG"))
        assert rows(index(tmp_path).near_duplicates) == []


class TestParams:
    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"splt_policy": "hash"}, "splt_policy"),
            ({"split_policy": "random"}, "split_policy"),
            ({"near_duplicate_similarity": 0.5}, "near_duplicate_similarity"),
            ({"near_duplicates": "drop"}, "near_duplicates"),
            ({"tolerated_leaks": ["all"]}, "tolerated_leaks"),
            ({"split_shares": {"train": 0.5, "test": 0.4}}, "sum to 0.9"),
            ({"split_shares": {"train": 1.5, "test": -0.5}}, "each share lies in"),
            ({"split_shares": {"train": 0.5, "exam": 0.5}}, "exam"),
            ({"class_map": {"gan": "forged"}}, "class_map"),
            ({"images": {"max_byte": 1}}, "max_byte"),
            ({"carved_share": 0.5}, "carved_share"),
        ],
    )
    def test_wrong_ones_are_named(self, wrong, message):
        with pytest.raises(ValidationError, match=message):
            IndexParams(**wrong)

    def test_every_field_is_described(self):
        assert all(field.description for field in IndexParams.model_fields.values())


def test_text_that_is_no_unicode_is_escaped(tmp_path):
    """JSON may hold halves of surrogate pairs, which no table can."""
    write_picture(tmp_path / "a.png", 0)
    first = '{"file": "a.png", "label": "FAKE", "group": "\\ud800", "method": "\\udcff"}\n'
    (tmp_path / "metadata.jsonl").write_text(
        first + '{"file": "\\ud800.png", "label": "REAL"}\n{"file": "", "label": "REAL"}\n'
    )
    result = index(tmp_path, MANIFEST_STUDY)
    (kept,) = rows(result.manifest)
    assert (kept["group"], kept["method"]) == ("\\ud800", "\\udcff")
    refused = [(row["path"], row["reason"]) for row in rows(result.rejected)]
    assert refused == [("\\ud800.png", "unsafe_path"), ("metadata.jsonl, row 3", "unreadable")]


def test_every_file_of_a_dataset_that_is_only_judged_is_test(tmp_path):
    fill(tmp_path, 12)
    result = index(tmp_path, split_policy="test", near_duplicates="join")
    assert set(by_path(result, "split").values()) == {"test"} and len(rows(result.manifest)) == 24
    assert len(set(by_path(result, "group").values())) == 12
