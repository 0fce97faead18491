import hashlib
import os
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from deepfake_pipeline.media import download as downloads
from deepfake_pipeline.media.archives import ArchiveLimits
from deepfake_pipeline.media.sources import LocalArchive, LocalFolder, Media, RemoteArchive, locate
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.tables.errors import UserError
from tests.media.pictures import write_picture
from tests.media.web import Site, serving


def study(uri: object, checksum: str = "") -> DatasetStudy:
    return DatasetStudy(name="s", layout="folders", uri=str(uri), checksum=checksum)


def located(tmp_path: Path, uri: object, checksum: str = "") -> LocalFolder | LocalArchive | RemoteArchive:
    return locate(study(uri, checksum), tmp_path / "scratch", ArchiveLimits(private_addresses=True))


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@pytest.fixture
def archive(tmp_path) -> Path:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("Real/1.jpg", b"one")
        packed.writestr("../2.jpg", b"two")
    return tmp_path / "a.zip"


@pytest.fixture
def into(tmp_path) -> Path:
    (tmp_path / "into").mkdir()
    return tmp_path / "into"


class TestFolder:
    def test_is_used_where_it_lies(self, tmp_path, into):
        write_picture(tmp_path / "here" / "a.png", 1)
        media: Media = located(tmp_path, tmp_path / "here")
        assert media.folder == tmp_path / "here"
        assert media.write_into(into) == [] and not list(into.iterdir())

    def test_by_relative_path_home_and_file_address(self, tmp_path, monkeypatch):
        write_picture(tmp_path / "two words" / "a.png", 1)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path))
        for uri in ("two words", "~/two words", f"file://{tmp_path}/two%20words"):
            assert located(tmp_path, uri).folder == tmp_path / "two words"

    @pytest.mark.parametrize("litter", [[], [".hidden"], ["__MACOSX/x"]])
    def test_empty(self, tmp_path, litter):
        (tmp_path / "here").mkdir()
        for name in litter:
            write_picture(tmp_path / "here" / name, 1)
        with pytest.raises(UserError, match="holds no file"):
            located(tmp_path, tmp_path / "here")

    def test_has_no_checksum(self, tmp_path):
        write_picture(tmp_path / "here" / "a.png", 1)
        with pytest.raises(UserError, match="checksum is of an archive"):
            located(tmp_path, tmp_path / "here", sha256(b""))


class TestNothingThere:
    @pytest.mark.parametrize(
        ("uri", "message"),
        [
            ("", "study.uri is not set: pass --params study.uri=FOLDER_OR_ARCHIVE"),
            ("no/such/folder", "no/such/folder does not exist"),
            ("s3://bucket/a.zip", "s3:// is not read"),
        ],
    )
    def test_one_line_says_what_to_do(self, tmp_path, uri, message):
        with pytest.raises(UserError) as caught:
            located(tmp_path, uri)
        assert message in str(caught.value) and "\n" not in str(caught.value)

    @pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders there")
    def test_a_pipe_does_not_hang(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(UserError, match="neither a folder nor a file"):
            located(tmp_path, tmp_path / "pipe")

    def test_a_file_that_is_no_archive(self, tmp_path):
        with pytest.raises(UserError, match=r"a\.png: neither a zip nor a tar archive"):
            located(tmp_path, write_picture(tmp_path / "a.png", 1))


class TestLocalArchive:
    def test_is_unpacked_and_tells_what_it_left_behind(self, tmp_path, archive, into):
        media = located(tmp_path, archive, sha256(archive.read_bytes()))
        assert media.folder is None
        assert [(row["path"], row["reason"]) for row in media.write_into(into)] == [("../2.jpg", "unsafe_path")]
        assert (into / "Real" / "1.jpg").read_bytes() == b"one"

    def test_wrong_checksum(self, tmp_path, archive, into):
        with pytest.raises(UserError, match=r"a\.zip: its checksum is sha256:.*, study.checksum says sha256:"):
            located(tmp_path, archive, sha256(b"other")).write_into(into)
        assert not list(into.iterdir())

    def test_of_nothing_usable(self, tmp_path, into):
        with tarfile.open(tmp_path / "a.tar", "w") as tar:
            link = tarfile.TarInfo("link")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc"
            tar.addfile(link)
        with pytest.raises(UserError, match=r"no file could be unpacked \(1 refused, first link: unsafe_path\)"):
            located(tmp_path, tmp_path / "a.tar").write_into(into)


class TestRemoteArchive:
    @pytest.fixture(autouse=True)
    def _no_pauses(self, monkeypatch):
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(downloads, "_PAUSE_SECONDS", 0)

    def test_is_fetched_verified_and_unpacked(self, tmp_path, archive, into):
        with serving(Site(archive.read_bytes(), cut_after=[40])) as site:
            media = located(tmp_path, site.url, sha256(site.body))
            assert not site.asked  # looking for it fetches nothing
            rejected = media.write_into(into)
        assert [row["reason"] for row in rejected] == ["unsafe_path"]
        assert (into / "Real" / "1.jpg").read_bytes() == b"one"
        assert not list((tmp_path / "scratch").iterdir())

    def test_wrong_checksum_is_not_kept(self, tmp_path, archive, into):
        with serving(Site(archive.read_bytes())) as site:
            media = located(tmp_path, site.url, sha256(b"other"))
            with pytest.raises(UserError, match=r"faces\.zip: its checksum is"):
                media.write_into(into)
        assert not list(into.iterdir()) and not list((tmp_path / "scratch").iterdir())

    def test_a_login_page_is_not_kept(self, tmp_path, into):
        problem = pytest.raises(UserError, match=r"^http://127.0.0.1:\d+/faces\.zip: neither a zip nor a tar")
        with serving(Site(b"<html>Please log in</html>")) as site, problem:
            located(tmp_path, site.url).write_into(into)
        assert not list((tmp_path / "scratch").iterdir())

    def test_an_interrupted_unpacking_fetches_nothing_again(self, tmp_path, archive, into, monkeypatch):
        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        with serving(Site(archive.read_bytes())) as site:
            media = located(tmp_path, site.url)
            with monkeypatch.context() as patch:
                patch.setattr("deepfake_pipeline.media.sources.unpack", interrupted)
                with pytest.raises(KeyboardInterrupt):
                    media.write_into(into)
            media.write_into(into)
        assert len(site.asked) == 1

    def test_larger_than_allowed(self, tmp_path, archive, into):
        with serving(Site(archive.read_bytes())) as site:
            media = locate(
                study(site.url), tmp_path / "scratch", ArchiveLimits(max_total_bytes=50, private_addresses=True)
            )
            with pytest.raises(UserError, match=r"more than 50 bytes; raise archive\.max_total_bytes"):
                media.write_into(into)
