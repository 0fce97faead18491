"""Leaks that were planted are named, and a certificate that does not hold stops what follows."""

import csv
from pathlib import Path
from typing import Any

import pytest

from deepfake_pipeline.media.certificate import NAMED, certify_faces, certify_files, in_words, require
from deepfake_pipeline.media.images import resize
from deepfake_pipeline.media.index import IndexResult, index_source
from deepfake_pipeline.media.index_params import IndexParams
from deepfake_pipeline.media.layouts import LAYOUTS
from deepfake_pipeline.media.sources import MediaSource
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.tables import ParquetTable, RecordStream
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.schemas import FACES, MANIFEST, NEAR_DUPLICATES, REJECTED_FILES
from deepfake_pipeline.tables.stream import write_shards
from tests.media.pictures import encoded
from tests.media.test_alike import cropped, texture

KINDS = ("same", "encoded", "resized", "mirrored", "cropped", "pair")
INNOCENT, EACH = 60, 34  # pictures of which nothing is copied; leaks of each of six kinds


def table(stream: RecordStream, folder: Path) -> ParquetTable:
    folder.mkdir(parents=True)
    write_shards(stream, folder)
    return ParquetTable(folder)


def tables(result: IndexResult, folder: Path) -> tuple[ParquetTable, ParquetTable, ParquetTable]:
    manifest, rejected, near = (table(stream, folder / str(number)) for number, stream in enumerate(result))
    return manifest, rejected, near


def certified(root: Path, folder: Path, **options: Any) -> tuple[dict[str, Any], ParquetTable, ParquetTable]:
    params = IndexParams(**options)
    result = index_source(MediaSource(root, []), DatasetStudy(name="planted", layout="manifest"), params)
    manifest, rejected, near = tables(result, folder)
    return certify_files(manifest, rejected, near, LAYOUTS["manifest"], params), manifest, rejected


def leak(kind: str, number: int) -> bytes:
    image = texture(50_000 + number if kind == "pair" else number)
    if kind == "encoded":
        return encoded(image, "JPEG", quality=60)
    if kind == "resized":
        image = resize(image, 70 + number % 90, 80)
    elif kind == "mirrored":
        image = image[:, ::-1]
    elif kind == "cropped":
        image = cropped(image, number)
    return encoded(image, "PNG")


@pytest.fixture(scope="module")
def leaky(tmp_path_factory):
    """Originals in train, and in test what leaks of them: five kinds of copies, and the other member of a swap pair."""
    root = tmp_path_factory.mktemp("leaky")
    rows = []

    def write(name: str, data: bytes, group: str, split: str) -> None:
        (root / name).write_bytes(data)
        rows.append({"file": name, "label": len(rows) % 2, "group": group, "split": split})

    for number in range(EACH * len(KINDS)):
        kind = KINDS[number % len(KINDS)]
        group = f"pair{number}" if kind == "pair" else f"own{number}"
        write(f"{number:04d}.png", encoded(texture(number), "PNG"), group, "train")
        data = leak(kind, number)
        write(f"{kind}_{number:04d}.png", data, group if kind == "pair" else f"leak{number}", "test")
        rows[-1]["label"] = rows[-2]["label"]
    for number in range(INNOCENT):
        write(
            f"innocent_{number}.png",
            encoded(texture(90_000 + number), "PNG"),
            f"i{number}",
            ("train", "test")[number % 2],
        )
    with (root / "metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["file", "label", "group", "split"])
        writer.writeheader()
        writer.writerows(rows)
    return root


def checks(certificate):
    return {check["name"]: check for check in certificate["checks"]}


class TestPlantedLeaks:
    def test_two_hundred_of_six_kinds_are_all_found_and_nothing_else(self, leaky, tmp_path):
        params = {"split_policy": "official", "carved_share": 0.001}
        certificate, manifest, rejected = certified(leaky, tmp_path, **params)
        paths = dict(zip(*(manifest.read()[name] for name in ("sample_id", "path")), strict=True))
        near = ParquetTable(tmp_path / "2").read()
        found = {frozenset((paths[a], paths[b])) for a, b in zip(near.sample_a, near.sample_b, strict=True)}
        planted = {
            frozenset((f"{number:04d}.png", path.name))
            for path in leaky.glob("*_*.png")
            for kind, number in [(path.stem.split("_")[0], int(path.stem.split("_")[1]))]
            if kind in ("encoded", "resized", "mirrored", "cropped")
        }
        assert len(planted) == 4 * EACH and found == planted
        assert {row.path.split("_")[0] for row in rejected.read().itertuples()} == {"same"}
        assert certificate["refused"] == {"duplicate": EACH, "label_conflict": 0, "cross_split": 0}
        found_by = checks(certificate)
        assert found_by["near_duplicates"]["found"] == 4 * EACH and len(found_by["near_duplicates"]["named"]) == NAMED
        leaks = {leak["membership"] for leak in found_by["memberships"]["named"]}
        assert leaks == {f"pair{number}" for number in range(5, 6 * EACH, 6)}
        assert certificate["holds"] and "(tolerated)" in in_words(certificate)

    def test_what_is_not_tolerated_stops_the_run(self, leaky, tmp_path):
        params = {"split_policy": "official", "carved_share": 0.001}
        certificate, _, _ = certified(leaky, tmp_path / "a", **params, tolerated_leaks=["near_duplicates"])
        assert not certificate["holds"]
        with pytest.raises(UserError, match=r"identity in several splits: 34, such as .*'pair101'") as caught:
            require(certificate)
        assert "\n" not in str(caught.value) and "correlate" not in str(caught.value)
        certificate, _, _ = certified(leaky, tmp_path / "b", **params, tolerated_leaks=["official_splits"])
        with pytest.raises(UserError, match=r"correlate by 0\.97 or more: 136"):
            require(certificate)

    def test_near_duplicates_join_groups(self, leaky, tmp_path):
        certificate, manifest, _ = certified(leaky, tmp_path, near_duplicates="join", tolerated_leaks=[])
        assert certificate["holds"] and not any(check["found"] for check in certificate["checks"])
        require(certificate)
        rows = manifest.read().set_index("path")
        for path in rows.index[rows.index.str.contains("encoded|resized|mirrored|cropped|pair")]:
            number = path.split("_")[1]
            assert rows.group[path] == rows.group[number] and rows.split[path] == rows.split[number]
        innocent = rows.group[rows.index.str.startswith("innocent")]
        assert innocent.nunique() == INNOCENT

    def test_without_joining_the_hash_tears_them_apart(self, leaky, tmp_path):
        certificate, _, _ = certified(leaky, tmp_path)
        assert 0 < checks(certificate)["near_duplicates"]["found"] < 4 * EACH
        assert not checks(certificate)["memberships"]["found"] and certificate["holds"]

    def test_joined_near_duplicates_stay_in_their_official_splits(self, leaky, tmp_path):
        params = {"split_policy": "official", "carved_share": 0.001, "near_duplicates": "join"}
        certificate, _, _ = certified(leaky, tmp_path, **params)
        assert checks(certificate)["near_duplicates"]["found"] == 4 * EACH
        assert checks(certificate)["memberships"]["found"] == EACH


def row(number: int, group: str, split: str, label: int | None = 0, sha256: str | None = None) -> dict[str, Any]:
    rest = {"path": str(number), "source": "s", "width": 1, "height": 1, "bytes": 1, "phash": 1, "kind": "image"}
    own = {"sample_id": f"{number:016d}", "sha256": sha256 or str(number), "memberships": [group]}
    return {**rest, **own, "group": group, "split": split, "label": label}


def built(tmp_path, rows, **params):
    parts = (
        RecordStream.of_rows(schema, given)
        for schema, given in ((MANIFEST, rows), (REJECTED_FILES, []), (NEAR_DUPLICATES, []))
    )
    folders = (tmp_path / name for name in "abc")
    manifest, rejected, near = (table(part, folder) for part, folder in zip(parts, folders, strict=True))
    return certify_files(manifest, rejected, near, LAYOUTS["celeb_df"], IndexParams(**params)), manifest


class TestManifests:
    def test_counts(self, tmp_path):
        rows = [row(1, "a", "train"), row(2, "a", "train", 1), row(3, "b", "test", None)]
        certificate, _ = built(tmp_path, rows)
        assert certificate["holds"] and certificate["groups"]["count"] == 2 and certificate["groups"]["identities"]
        assert certificate["splits"]["train"] == {"real": 1, "forged": 1, "unknown": 0}
        assert certificate["splits"]["test"] == {"real": 0, "forged": 0, "unknown": 1}
        assert all(check["rows"] == 3 for check in certificate["checks"])
        assert "3 rows, 2 groups" in in_words(certificate) and "unknown" not in in_words(certificate)

    def test_a_group_torn_apart_is_never_tolerated_where_splits_are_dealt(self, tmp_path):
        certificate, _ = built(tmp_path, [row(1, "a", "train"), row(2, "a", "test")])
        assert not certificate["holds"]
        assert checks(certificate)["groups"]["named"] == [{"group": "a", "splits": ["train", "test"]}]
        with pytest.raises(UserError, match="a group in several splits: 1"):
            require(certificate)

    def test_the_same_bytes_twice(self, tmp_path):
        certificate, _ = built(tmp_path, [row(1, "a", "train", sha256="x"), row(2, "a", "train", sha256="x")])
        assert not certificate["holds"] and checks(certificate)["copies"]["named"] == ["x"]

    def test_layouts_without_identities_say_so(self, leaky, tmp_path):
        certificate, _, _ = certified(leaky, tmp_path, near_duplicates="join")
        assert not certificate["groups"]["identities"] and "identities unknown" in in_words(certificate)
        assert {name for name, layout in LAYOUTS.items() if layout.identities} == {
            "rendered",
            "faceforensics",
            "celeb_df",
        }


class TestFaces:
    def face(self, number: int, group: str, split: str) -> dict[str, Any]:
        known = {"face_id": f"{number:016d}-000000-00", "sample_id": f"{number:016d}", "group": group, "split": split}
        measured = {"sharpness": 1.0, "brightness": 1.0, "light_uniformity": 1.0, "crop": b""}
        return {**known, **measured, "source": "s", "frame": 0, "face": 0}

    def test_faces_lie_where_their_files_do(self, tmp_path):
        certificate, manifest = built(tmp_path, [row(1, "a", "train"), row(2, "b", "test")])
        good = [self.face(1, "a", "train"), self.face(2, "b", "test")]
        faces = table(RecordStream.of_rows(FACES, good), tmp_path / "good")
        complete = certify_faces(certificate, manifest, faces)
        assert complete["holds"] and next(iter(complete)) == "holds"
        assert checks(complete)["faces"] | {"rows": 2, "found": 0} == checks(complete)["faces"]

    @pytest.mark.parametrize("astray", [(1, "a", "test"), (1, "b", "train"), (3, "a", "train")])
    def test_a_face_astray(self, tmp_path, astray):
        certificate, manifest = built(tmp_path, [row(1, "a", "train"), row(2, "b", "test")])
        faces = table(RecordStream.of_rows(FACES, [self.face(2, "b", "test"), self.face(*astray)]), tmp_path / "f")
        complete = certify_faces(certificate, manifest, faces)
        assert not complete["holds"] and checks(complete)["faces"]["named"] == [f"{astray[0]:016d}-000000-00"]
        with pytest.raises(UserError, match="another group or split than its file: 1"):
            require(complete)
