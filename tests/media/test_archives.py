import bz2
import gzip
import io
import lzma
import os
import struct
import subprocess
import tarfile
import zipfile
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from deepfake_pipeline.media import archives
from deepfake_pipeline.media.archives import ArchiveLimits, unpack
from deepfake_pipeline.tables.errors import UserError

KINDS = ("zip", "tar", "tar.gz", "tar.bz2", "tar.xz")


def noise(size: int) -> bytes:
    """Bytes that no packer makes smaller, the same every time."""
    return np.random.default_rng(size).bytes(size)


def make(path: Path, members: dict[str, bytes]) -> Path:
    """An archive of the kind that the name of the file says."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
        return path
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    pack = {".gz": partial(gzip.compress, mtime=0), ".bz2": bz2.compress, ".xz": lzma.compress}.get(path.suffix, bytes)
    path.write_bytes(pack(target.getvalue()))
    return path


def unpacked(archive: Path, **limits: float) -> tuple[dict[str, bytes], dict[str, str]]:
    """What lies in the folder afterwards, and the reason for each refused path."""
    into = archive.parent / "box" / "into"
    into.mkdir(parents=True)
    rows = unpack(archive, into, ArchiveLimits(**limits))
    assert all(set(row) == {"path", "reason", "detail"} and "\n" not in row["detail"] for row in rows)
    assert rows == sorted(rows, key=lambda row: row["path"])
    assert os.listdir(into.parent) == ["into"]  # nothing beside it
    files = {p.relative_to(into).as_posix(): p.read_bytes() for p in into.rglob("*") if p.is_file()}
    assert not any(p.is_symlink() for p in into.rglob("*"))
    return files, {row["path"]: row["reason"] for row in rows}


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    def test_files_come_out_whole(self, tmp_path, kind):
        members = {"a.txt": b"", "Train/Real/ü 1.jpg": noise(3_000_000), "b/c/d.bin": b"x" * 5000}
        assert unpacked(make(tmp_path / f"a.{kind}", members)) == (members, {})

    def test_what_would_escape_is_refused(self, tmp_path, kind):
        bad = ["../up.txt", "a/../../up.txt", "/tmp/abs.txt", "C:\\abs.txt", "..\\up.txt", "C:/abs.txt"]
        files, refused = unpacked(make(tmp_path / f"a.{kind}", dict.fromkeys([*bad, "good.txt"], b"x")))
        assert files == {"good.txt": b"x"}
        assert refused == {name.replace("\\", "/"): "unsafe_path" for name in bad}
        assert not Path("/tmp/abs.txt").exists() and not (tmp_path / "up.txt").exists()

    def test_windows_separators_are_folders(self, tmp_path, kind):
        members = {"Real\\": b"", "Fake/": b"", "Real\\1.jpg": b"x"}
        assert unpacked(make(tmp_path / f"a.{kind}", members)) == ({"Real/1.jpg": b"x"}, {})

    def test_litter_is_left_out_silently(self, tmp_path, kind):
        members = {"__MACOSX/._a.jpg": b"x", ".DS_Store": b"x", "a/.hidden/b": b"x", "a/Thumbs.db": b"x", "a.jpg": b"y"}
        assert unpacked(make(tmp_path / f"a.{kind}", members)) == ({"a.jpg": b"y"}, {})

    def test_names_that_collide(self, tmp_path, kind):
        members = {"A.jpg": b"1", "a.jpg": b"2", "u\u0308.jpg": b"3", "\u00fc.jpg": b"4", "d": b"5", "d/e": b"6"}
        files, refused = unpacked(make(tmp_path / f"a.{kind}", members))
        assert files == {"A.jpg": b"1", "u\u0308.jpg": b"3", "d": b"5"}
        assert refused == dict.fromkeys(("a.jpg", "\u00fc.jpg", "d/e"), "unsafe_path")

    def test_a_large_file_is_refused_and_its_neighbours_are_not(self, tmp_path, kind):
        members = {"1": b"x", "2": noise(3000), "3": b"y"}
        files, refused = unpacked(make(tmp_path / f"a.{kind}", members), max_file_bytes=2999)
        assert files == {"1": b"x", "3": b"y"} and refused == {"2": "too_large"}

    def test_too_many_members(self, tmp_path, kind):
        archive = make(tmp_path / f"a.{kind}", {str(number): b"x" for number in range(4)})
        with pytest.raises(UserError, match=r"more than 3 members"):
            unpacked(archive, max_members=3)

    def test_too_much_in_all(self, tmp_path, kind):
        archive = make(tmp_path / f"a.{kind}", {str(number): noise(1000) for number in range(4)})
        with pytest.raises(UserError, match=r"more than 3,500 bytes"):
            unpacked(archive, max_total_bytes=3500)

    def test_interruption_leaves_no_half_file(self, tmp_path, kind, monkeypatch):
        archive = make(tmp_path / f"a.{kind}", {"1": b"x", "2": noise(5_000_000)})
        copy = archives._Shelf._copy

        def interrupted(shelf, source, target, packed):
            if shelf.written:
                target.write(source.read(1_000_000))
                raise KeyboardInterrupt
            return copy(shelf, source, target, packed)

        monkeypatch.setattr(archives._Shelf, "_copy", interrupted)
        into = tmp_path / "into"
        into.mkdir()
        with pytest.raises(KeyboardInterrupt):
            unpack(archive, into, ArchiveLimits())
        assert os.listdir(into) == ["1"]

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_damage_never_crashes(self, tmp_path_factory, kind, data):
        folder = tmp_path_factory.mktemp("fuzz")
        members = {"Real/1.jpg": b"abc" * 300, "Fake/2.jpg": noise(700), "list.csv": b"a,b\n" * 50}
        archive = make(folder / f"a.{kind}", members)
        damaged = bytearray(archive.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
        archive.write_bytes(damaged[: data.draw(st.integers(1, len(damaged)))])
        try:
            unpacked(archive)
        except UserError as error:
            assert "\n" not in str(error)


class TestZip:
    def test_links_and_devices(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            for name, mode in (("link", 0o120777), ("pipe", 0o010644), ("device", 0o020644), ("file", 0o100644)):
                info = zipfile.ZipInfo(name)
                info.create_system, info.external_attr = 3, mode << 16
                archive.writestr(info, "/etc/passwd")
        files, refused = unpacked(tmp_path / "a.zip")
        assert list(files) == ["file"]
        assert refused == dict.fromkeys(("link", "pipe", "device"), "unsafe_path")

    def test_a_second_member_of_one_name(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"first")
            archive.writestr("a", b"second")
        assert unpacked(tmp_path / "a.zip") == ({"a": b"first"}, {"a": "duplicate"})

    def test_encrypted(self, tmp_path):
        archive = make(tmp_path / "a.zip", {"a": b"1", "b": b"2"})
        data = bytearray(archive.read_bytes())
        directory = data.index(b"PK\x01\x02")
        data[6] |= 1
        data[directory + 8] |= 1
        archive.write_bytes(data)
        assert unpacked(archive) == ({"b": b"2"}, {"a": "unreadable"})

    def test_wrong_check_sum_and_unknown_compression(self, tmp_path):
        archive = make(tmp_path / "a.zip", {"a": b"1" * 50, "b": b"2" * 50, "c": b"3"})
        data = bytearray(archive.read_bytes())
        first = data.index(b"PK\x01\x02")
        second = data.index(b"PK\x01\x02", first + 4)
        data[first + 16] ^= 255
        data[second + 10] = 97
        archive.write_bytes(data)
        assert unpacked(archive) == ({"c": b"3"}, {"a": "unreadable", "b": "unreadable"})

    def test_bombs_are_refused_one_by_one(self, tmp_path):
        members = {"bomb1": bytes(30_000_000), "good": noise(10_000), "bomb2": bytes(20_000_000)}
        files, refused = unpacked(make(tmp_path / "a.zip", members))
        assert list(files) == ["good"]
        assert refused == {"bomb1": "decompression_bomb", "bomb2": "decompression_bomb"}

    def test_a_bomb_that_lies_about_its_size(self, tmp_path):
        archive = make(tmp_path / "a.zip", {"bomb": bytes(30_000_000), "good": b"x"})
        data = bytearray(archive.read_bytes())
        directory = data.index(b"PK\x01\x02")
        for place in (18, directory + 20):  # packed bytes, in both headers
            data[place : place + 4] = struct.pack("<I", 2**31 - 1)
        archive.write_bytes(data)
        files, refused = unpacked(archive)
        assert "bomb" not in files and refused["bomb"] in ("decompression_bomb", "unreadable")

    def test_overlapping_members_cannot_fill_the_disk(self, tmp_path):
        """Thousands of directory entries that share one compressed body, as in the zip bombs of Fifield (2019)."""
        body = make(tmp_path / "b.zip", {"0000": noise(100) + bytes(15_000)}).read_bytes()
        split = body.index(b"PK\x01\x02")
        end = body.index(b"PK\x05\x06")
        entry = body[split:end]
        entries = b"".join(entry.replace(b"0000", b"%04d" % number) for number in range(1000))
        tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1000, 1000, len(entries), split, 0)
        (tmp_path / "a.zip").write_bytes(body[:split] + entries + tail)
        files, refused = unpacked(tmp_path / "a.zip", max_ratio=20)
        assert sum(map(len, files.values())) <= max(2**20, 20 * (tmp_path / "a.zip").stat().st_size)
        assert set(refused.values()) <= {"unreadable", "decompression_bomb"}

    def test_without_its_directory(self, tmp_path):
        archive = make(tmp_path / "a.zip", {"a": b"1" * 500})
        archive.write_bytes(archive.read_bytes()[:60])
        assert unpacked(archive) == ({}, {"a.zip": "unreadable"})

    def test_the_disk_is_asked_first(self, tmp_path, monkeypatch):
        archive = make(tmp_path / "a.zip", {"a": noise(5000)})
        monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 4999}))
        with pytest.raises(UserError, match="4,999 bytes are free and 5,000 are needed"):
            unpacked(archive)


class TestTar:
    def test_links_and_devices(self, tmp_path):
        with tarfile.open(tmp_path / "a.tar", "w") as tar:
            for name, kind in (("sym", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("pipe", tarfile.FIFOTYPE)):
                info = tarfile.TarInfo(name)
                info.type, info.linkname = kind, "/etc/passwd"
                tar.addfile(info)
            through = tarfile.TarInfo("sym/through")
            through.size = 1
            tar.addfile(through, io.BytesIO(b"x"))
        files, refused = unpacked(tmp_path / "a.tar")
        assert files == {"sym/through": b"x"}  # a plain folder: the link was never made
        assert refused == dict.fromkeys(("sym", "hard", "pipe"), "unsafe_path")

    def test_what_gnu_tar_writes(self, tmp_path):
        long_name = "/".join(["a" * 90] * 3) + ".jpg"
        (tmp_path / "in" / long_name).parent.mkdir(parents=True)
        (tmp_path / "in" / long_name).write_bytes(b"x" * 1000)
        subprocess.run(["tar", "-czf", "a.tgz", "-C", "in", "."], cwd=tmp_path, check=True)
        (tmp_path / "out").mkdir()
        (tmp_path / "a.tgz").rename(tmp_path / "out/a.tgz")
        assert unpacked(tmp_path / "out/a.tgz") == ({long_name: b"x" * 1000}, {})

    def test_a_name_that_is_not_utf8(self, tmp_path):
        with tarfile.open(tmp_path / "a.tar", "w", encoding="latin-1", format=tarfile.GNU_FORMAT) as tar:
            for name in ("ü.jpg", "good"):
                tar.addfile(tarfile.TarInfo(name))
        assert unpacked(tmp_path / "a.tar") == ({"good": b""}, {"\\udcfc.jpg": "unsafe_path"})

    @pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
    def test_a_bomb_ends_the_archive_and_says_so(self, tmp_path, kind):
        archive = make(tmp_path / f"a.tar.{kind}", {"good": noise(100), "bomb": bytes(60_000_000), "lost": b"x"})
        files, refused = unpacked(archive)
        assert list(files) == ["good"]
        assert refused == {"bomb": "decompression_bomb", archive.name: "decompression_bomb"}

    @pytest.mark.parametrize("kind", KINDS[1:])
    def test_a_truncated_archive_keeps_what_is_whole_and_says_so(self, tmp_path, kind):
        archive = make(tmp_path / f"a.{kind}", {"1": noise(400_000), "2": noise(1_400_000)})
        data = archive.read_bytes()
        archive.write_bytes(data[: int(0.9 * len(data))])
        files, refused = unpacked(archive)
        assert set(files) <= {"1"} and "2" not in files
        assert refused[archive.name] == "unreadable"

    def test_a_damaged_header_is_not_the_end(self, tmp_path):
        archive = make(tmp_path / "a.tar", {"1": b"x", "2": b"y"})
        data = bytearray(archive.read_bytes())
        data[1024 + 5] ^= 255
        archive.write_bytes(data)
        assert unpacked(archive) == ({"1": b"x"}, {"a.tar": "unreadable"})

    def test_a_header_cannot_claim_the_memory(self, tmp_path):
        header = tarfile.TarInfo("PaxHeader")
        header.type, header.size = tarfile.XHDTYPE, 2**33 - 1
        archive = tmp_path / "a.tar"
        with archive.open("wb") as file:
            file.write(header.tobuf(tarfile.USTAR_FORMAT))
            file.truncate(2**26)
        files, refused = unpacked(archive)
        assert files == {} and refused == {"a.tar": "unreadable"}

    def test_sparse_members(self, tmp_path):
        with (tmp_path / "hole").open("wb") as file:
            file.truncate(2**30)
        subprocess.run(["tar", "-cSf", "a.tar", "hole"], cwd=tmp_path, check=True)
        assert unpacked(tmp_path / "a.tar") == ({}, {"hole": "unreadable"})


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>Please log in</html>" * 40, gzip.compress(b"no tar" * 99, mtime=0), b"BZh91AY"],
    ids=["empty", "page", "no_tar_inside", "cut_short"],
)
def test_what_is_no_archive(tmp_path, data):
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(UserError, match="neither a zip nor a tar archive"):
        unpacked(tmp_path / "a.zip")


def test_messages_use_the_given_name(tmp_path):
    (tmp_path / "1234.archive").write_bytes(b"x")
    with pytest.raises(UserError, match=r"^https://host/faces\.zip: neither"):
        unpack(tmp_path / "1234.archive", tmp_path, ArchiveLimits(), "https://host/faces.zip")


@pytest.mark.parametrize("wrong", [{"max_ratio": 0.5}, {"max_members": 0}, {"max_size": 1}])
def test_wrong_limits(wrong):
    with pytest.raises(ValidationError):
        ArchiveLimits(**wrong)


class TestNothingIsLostInSilence:
    """What damage hides from the readers of the standard library is told."""

    members: ClassVar = {f"{n}.bin": noise(600) for n in range(6)}

    def lost(self, archive: Path) -> tuple[int, str]:
        into = archive.parent / "into"
        into.mkdir()
        rows = [row for row in unpack(archive, into, ArchiveLimits()) if row["path"] == archive.name]
        assert len(rows) == 1 and rows[0]["reason"] == "unreadable"
        return len(list(into.iterdir())), rows[0]["detail"]

    def test_zeros_in_a_tar_are_not_its_end(self, tmp_path):
        archive = make(tmp_path / "a.tar", self.members)
        data = bytearray(archive.read_bytes())
        data[3 * 1536 + 512 : 5 * 1536] = bytes(2 * 1536 - 512)  # a block of content, two headers, more content
        data[3 * 1536 : 3 * 1536 + 1024] = bytes(1024)
        archive.write_bytes(data)
        assert self.lost(archive) == (
            3,
            "damaged (more stands behind the mark of its end); what follows in the archive is lost",
        )

    def test_a_tar_cut_between_two_members(self, tmp_path):
        archive = make(tmp_path / "a.tar", self.members)
        archive.write_bytes(archive.read_bytes()[: 4 * 1536])
        assert self.lost(archive) == (
            4,
            "damaged (it breaks off without the mark of its end); what follows in the archive is lost",
        )

    def test_a_tar_of_which_only_the_reserved_space_is_left(self, tmp_path):
        archive = make(tmp_path / "a.tar", self.members | {"last": noise(20_000)})
        data = archive.read_bytes()
        archive.write_bytes(data[: 4 * 1536] + bytes(len(data) - 4 * 1536))
        kept, detail = self.lost(archive)
        assert kept == 4 and "zeros at its end, where members may have been" in detail

    @pytest.mark.parametrize("size", [0, 1, 511, 512, 8703, 8704, 8705, 9216, 9217])
    def test_a_whole_tar_says_nothing_wherever_its_record_ends(self, tmp_path, size):
        assert unpacked(make(tmp_path / "a.tar", {"only": noise(size)})) == ({"only": noise(size)}, {})

    @pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
    def test_the_sum_of_the_whole_stream_is_checked(self, tmp_path, kind):
        archive = make(tmp_path / f"a.tar.{kind}", self.members)
        data = bytearray(archive.read_bytes())
        data[-6 if kind != "xz" else -20] ^= 1
        archive.write_bytes(data)
        assert "damaged (" in self.lost(archive)[1]

    def test_a_zip_whose_directory_swallows_members(self, tmp_path):
        archive = make(tmp_path / "a.zip", self.members)
        data = bytearray(archive.read_bytes())
        second = data.index(b"PK\1\2", data.index(b"PK\1\2") + 1)
        data[second + 33] = 1  # its comment takes up what follows
        archive.write_bytes(data)
        assert "(its directory lists 2 members of 6)" in self.lost(archive)[1]

    def test_a_whole_zip_with_a_comment(self, tmp_path):
        archive = make(tmp_path / "a.zip", self.members)
        with zipfile.ZipFile(archive, "a") as packed:
            packed.comment = b"made by hand"
        assert unpacked(archive) == (self.members, {})
