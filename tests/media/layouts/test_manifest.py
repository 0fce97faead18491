from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepfake_pipeline.media.layouts import LAYOUTS, LayoutParams, MediaEntry
from deepfake_pipeline.tables import Reason
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.groups import group_names

DFDC = "file,label,original\nfaces/real.jpg,REAL,\nfaces/fake.jpg,FAKE,real.jpg\n"


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def read(root: Path, text: str | bytes | None = None, name: str = "metadata.csv", **params: str) -> list[MediaEntry]:
    if text is not None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(LAYOUTS["manifest"].read(root, LayoutParams(**params)))  # type: ignore[arg-type]


def reasons(entries: list[MediaEntry]) -> list[str]:
    return [entry.refused.reason.value if entry.refused else "" for entry in entries]


class TestTheLayoutOfTheDfdcFaces:
    def test_labels_and_groups(self, tmp_path):
        touch(tmp_path, "faces/real.jpg", "faces/fake.jpg")
        assert read(tmp_path, DFDC) == [
            MediaEntry("faces/real.jpg", 0, ("faces/real.jpg",)),
            MediaEntry("faces/fake.jpg", 1, ("faces/real.jpg",)),
        ]

    @pytest.mark.parametrize(
        "text",
        [
            "\ufeff" + DFDC,
            DFDC.replace("\n", "\r\n"),
            DFDC.replace(",", ";"),
            DFDC.replace(",", "\t"),
            DFDC.replace("faces/", "faces\\"),
            DFDC.replace("file,label,original", ' File ,LABEL,"Original"'),
            DFDC.replace("faces/", "./faces/"),
            DFDC.rstrip("\n"),
            "id,label,note,file,original\n1,REAL,,faces/real.jpg,\n2,FAKE,x,faces/fake.jpg,real.jpg\n",
        ],
    )
    def test_however_it_is_written(self, tmp_path, text):
        touch(tmp_path, "faces/real.jpg", "faces/fake.jpg")
        entries = read(tmp_path, text)
        assert [(e.path, e.label, e.memberships) for e in entries] == [
            ("faces/real.jpg", 0, ("faces/real.jpg",)),
            ("faces/fake.jpg", 1, ("faces/real.jpg",)),
        ]

    def test_one_folder_down(self, tmp_path):
        touch(tmp_path, "dfdc/faces/real.jpg", "dfdc/faces/fake.jpg")
        entries = read(tmp_path, DFDC, "dfdc/metadata.csv")
        assert [entry.path for entry in entries] == ["dfdc/faces/real.jpg", "dfdc/faces/fake.jpg"]
        assert {entry.memberships for entry in entries} == {("dfdc/faces/real.jpg",)}

    def test_as_parquet(self, tmp_path):
        touch(tmp_path, "faces/real.jpg", "faces/fake.jpg")
        table = {"File": ["faces/real.jpg", "faces/fake.jpg"], "label": [0, 1], "original": [None, "real.jpg"]}
        pq.write_table(pa.table(table), tmp_path / "truth.parquet")
        assert [(e.label, e.memberships) for e in read(tmp_path)] == [
            (0, ("faces/real.jpg",)),
            (1, ("faces/real.jpg",)),
        ]


class TestOriginals:
    def group_of(self, root: Path, original: str, path: str = "f/fake.jpg") -> tuple[str, ...]:
        return read(root, f"file,label,original\n{path},FAKE,{original}\n")[0].memberships

    def test_path_below_the_root_comes_first_then_the_own_folder_then_the_bare_name(self, tmp_path):
        touch(tmp_path, "f/fake.jpg", "f/a.jpg", "a.jpg", "f/b.jpg", "g/b.jpg", "g/c.jpg")
        assert self.group_of(tmp_path, "a.jpg") == ("a.jpg",)
        assert self.group_of(tmp_path, "b.jpg") == ("f/b.jpg",)
        assert self.group_of(tmp_path, "c.jpg") == ("g/c.jpg",)
        assert self.group_of(tmp_path, "g\\b.jpg") == ("g/b.jpg",)

    def test_absent_originals_still_bind_their_forgeries(self, tmp_path):
        touch(tmp_path, "1.jpg", "2.jpg", "x/gone.jpg", "y/gone.jpg")
        entries = read(tmp_path, "file,label,original\n1.jpg,FAKE,gone.jpg\n2.jpg,FAKE,gone.jpg\n")
        assert [entry.memberships for entry in entries] == [("gone.jpg",), ("gone.jpg",)]

    def test_a_forgery_of_a_forgery(self, tmp_path):
        touch(tmp_path, "a.jpg", "b.jpg", "c.jpg")
        entries = read(tmp_path, "file,label,original\na.jpg,REAL,\nb.jpg,FAKE,a.jpg\nc.jpg,FAKE,b.jpg\n")
        groups = group_names({entry.path: entry.memberships for entry in entries})
        assert set(groups.values()) == {"a.jpg"}

    def test_group_and_original_both_bind(self, tmp_path):
        touch(tmp_path, "1", "2", "3", "4")
        text = "file,label,group,original\n1,real,anna,\n2,fake,bert,1\n3,real,bert,\n4,real,,\n"
        entries = read(tmp_path, text)
        groups = group_names({entry.path: entry.memberships for entry in entries})
        assert groups["1"] == groups["2"] == groups["3"] != groups["4"]


class TestColumns:
    def test_split_and_method(self, tmp_path):
        touch(tmp_path, "1", "2", "3")
        text = "file,label,split,method\n1,fake,Val,FaceSwap\n2,real,TRAIN,FaceSwap\n3,fake,,\n"
        entries = read(tmp_path, text)
        assert [(e.split, e.method) for e in entries] == [("validation", "FaceSwap"), ("train", None), (None, None)]

    @pytest.mark.parametrize(
        ("text", "label"),
        [
            ("REAL", 0),
            ("0", 0),
            ("0.0", 0),
            ("1", 1),
            ("1.0", 1),
            ("Deep-Fake", 1),
            ("", None),
            ("2", None),
            ("maybe", None),
        ],
    )
    def test_labels(self, tmp_path, text, label):
        touch(tmp_path, "1")
        (entry,) = read(tmp_path, f"file,label\n1,{text}\n")
        assert entry.label == label
        assert reasons([entry]) == ["" if label is not None else "unlabelled"]

    def test_class_map(self, tmp_path):
        touch(tmp_path, "1")
        assert read(tmp_path, "file,label\n1,maybe\n", class_map={"maybe": "fake"})[0].label == 1  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("header", "message"),
        [
            ("path,label", "no column file; it has path, label"),
            ("a,b", "no column file and no column label"),
            ("", "none"),
        ],
    )
    def test_missing_columns_are_named(self, tmp_path, header, message):
        with pytest.raises(UserError, match=message):
            read(tmp_path, f"{header}\n1,2\n")

    def test_missing_columns_of_parquet(self, tmp_path):
        pq.write_table(pa.table({"file": ["1"]}), tmp_path / "t.parquet")
        with pytest.raises(UserError, match=r"t\.parquet: no column label; it has file"):
            read(tmp_path)


class TestBadRows:
    def test_each_becomes_a_refusal(self, tmp_path):
        touch(tmp_path, "ok.jpg", "z.jpg")
        rows = [
            "ok.jpg,REAL",
            "",
            ",REAL",
            "gone.jpg,REAL",
            "../ok.jpg,REAL",
            "/ok.jpg,FAKE",
            "C:\\ok.jpg,FAKE",
            "ok.jpg",
        ]
        rows += ["ok.jpg,", ' "stray,REAL', "z.jpg,FAKE,too,many,cells"]
        entries = read(tmp_path, "\n".join(["file,label", *rows]))
        assert reasons(entries) == [
            *("", "unreadable", "unreadable", "missing", "unsafe_path", "unsafe_path", "unsafe_path", "unreadable"),
            *("unlabelled", "missing", ""),
        ]
        assert entries[1].refused.detail == "row 3 is broken or names no file"
        assert entries[3].path == "gone.jpg" and "metadata.csv, row 5" in entries[3].refused.detail

    def test_an_absent_path_is_not_found_by_its_bare_name(self, tmp_path):
        touch(tmp_path, "backup/a.jpg")
        assert reasons(read(tmp_path, "file,label\nfaces/a.jpg,REAL\n")) == ["missing"]

    def test_bytes_that_are_not_utf8(self, tmp_path):
        touch(tmp_path, "ok.jpg")
        entries = read(tmp_path, b"file,label,note\nm\xfcller.jpg,REAL,\nok.jpg,REAL,gr\xfc\xdf\n")
        assert reasons(entries) == ["missing", ""]

    def test_a_cell_of_any_size(self, tmp_path):
        touch(tmp_path, "ok.jpg")
        assert reasons(read(tmp_path, f"file,label\n{'x' * 200_000},REAL\nok.jpg,REAL\n")) == ["unreadable", ""]

    def test_null_cells_of_parquet(self, tmp_path):
        touch(tmp_path, "ok.jpg")
        table = pa.table({"file": ["ok.jpg", None, "ok.jpg"], "label": ["REAL", "REAL", None]})
        pq.write_table(table, tmp_path / "t.parquet")
        assert reasons(read(tmp_path)) == ["", "unreadable", "unlabelled"]

    def test_damaged_parquet(self, tmp_path):
        with pytest.raises(UserError, match=r"t\.parquet: a damaged Parquet file"):
            read(tmp_path, b"PAR1 and no more", "t.parquet")

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.binary(max_size=200))
    def test_any_bytes_after_the_header(self, tmp_path_factory, body):
        root = tmp_path_factory.mktemp("csv")
        touch(root, "ok.jpg")
        entries = read(root, b"file,label,original\n" + body + b"\nok.jpg,REAL,\n")
        assert entries[-1].path == "ok.jpg" and entries[-1].refused is None
        for entry in entries[:-1]:
            assert entry.refused is not None and entry.refused.reason in Reason


class TestWhichTable:
    def test_two_stop_with_their_names(self, tmp_path):
        touch(tmp_path, "a.csv", "b.parquet", "c/d.csv")
        with pytest.raises(UserError, match=r"which is the manifest, a\.csv or b\.parquet\? Set `manifest`"):
            read(tmp_path)

    def test_one_of_them_can_be_named(self, tmp_path):
        touch(tmp_path, "a.csv", "1.jpg")
        assert len(read(tmp_path, "file,label\n1.jpg,REAL\n", "b.csv", manifest="b.csv")) == 1
        with pytest.raises(UserError, match=r"the manifest c\.csv is not there; tables are a\.csv, b\.csv"):
            read(tmp_path, manifest="c.csv")

    def test_the_root_comes_before_its_folders(self, tmp_path):
        touch(tmp_path, "faces/notes.csv", "1.jpg")
        assert len(read(tmp_path, "file,label\n1.jpg,REAL\n")) == 1

    def test_none(self, tmp_path):
        touch(tmp_path, "a/b/c.csv", "1.jpg")
        with pytest.raises(UserError, match="no manifest"):
            read(tmp_path)


class TestJsonLines:
    def test_labels_and_groups(self, tmp_path):
        touch(tmp_path, "faces/real.jpg", "faces/fake.jpg")
        lines = [
            '{"File": "faces/real.jpg", "label": 0, "note": [1]}',
            '{"file": "faces/fake.jpg", "label": true, "original": "real.jpg"}',
        ]
        assert read(tmp_path, "\n".join(lines), "truth.jsonl") == [
            MediaEntry("faces/real.jpg", 0, ("faces/real.jpg",)),
            MediaEntry("faces/fake.jpg", 1, ("faces/real.jpg",)),
        ]

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.binary(max_size=100))
    def test_any_bytes_after_the_first_line(self, tmp_path_factory, body):
        root = tmp_path_factory.mktemp("jsonl")
        touch(root, "ok.jpg")
        line = b'{"file": "ok.jpg", "label": "REAL"}\n'
        entries = read(root, line + body + b"\n" + line, "a.jsonl")
        assert entries[-1].refused is None
        assert all(entry.refused is not None for entry in entries[1:-1])

    @pytest.mark.parametrize("text", ["", "[]", '{"path": "a", "label": 1}'])
    def test_no_object_with_the_columns(self, tmp_path, text):
        with pytest.raises(UserError, match=r"a\.jsonl: no "):
            read(tmp_path, text, "a.jsonl")


class TestSeveralTables:
    def test_each_part_has_its_own_and_one_may_be_chosen(self, tmp_path):
        for part in ("a", "b"):
            touch(tmp_path, f"{part}/1.jpg")
            (tmp_path / part / "metadata.csv").write_text("file,label\n1.jpg,REAL\n")
        touch(tmp_path, "a/notes.csv")
        assert [entry.path for entry in read(tmp_path)] == ["a/1.jpg", "b/1.jpg"]
        assert [entry.path for entry in read(tmp_path, manifest="b/*.csv")] == ["b/1.jpg"]

    def test_a_table_named_as_a_split_gives_it(self, tmp_path):
        touch(tmp_path, "1", "2", "3")
        (tmp_path / "train.csv").write_text("file,label\n1,REAL\n")
        (tmp_path / "test.jsonl").write_text('{"file": "2", "label": 1}\n{"file": "3", "label": 1, "split": "val"}\n')
        assert {entry.path: entry.split for entry in read(tmp_path)} == {"1": "train", "2": "test", "3": "validation"}

    def test_a_file_in_two_tables(self, tmp_path):
        touch(tmp_path, "1", "2")
        (tmp_path / "all.csv").write_text("file,label,group\n1,REAL,a\n2,FAKE,b\n")
        (tmp_path / "test.csv").write_text("file,label,group\n1,REAL,c\n2,REAL,\n")
        one, two = read(tmp_path)
        assert (one.label, one.split, one.memberships, one.refused) == (0, "test", ("a", "c"), None)
        assert two.refused.reason is Reason.LABEL_CONFLICT
