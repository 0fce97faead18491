import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

from deepfake_pipeline.media import download as room
from deepfake_pipeline.media.download import download, shown
from deepfake_pipeline.tables.errors import UserError
from tests.media.web import Site, serving

BODY = np.random.default_rng(0).bytes(3_500_000)
MOST = 10**9


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(room, "_PAUSE_SECONDS", 0)


def test_one_request_brings_the_file(tmp_path):
    with serving(Site(BODY)) as site:
        path = download(site.url, tmp_path / "scratch", MOST)
    assert path.read_bytes() == BODY
    assert os.listdir(tmp_path / "scratch") == [path.name]
    assert site.starts == [""]


@pytest.mark.parametrize(
    "headers",
    [{"ETag": '"v1"'}, {"Last-Modified": "Wed, 01 Jan 2020 00:00:00 GMT"}, {"ETag": 'W/"v1"'}, {}],
    ids=["tag", "date", "weak tag", "nothing"],
)
def test_a_cut_connection_is_continued(tmp_path, headers):
    with serving(Site(BODY, headers=headers, cut_after=[2_000_000, 1_000_000])) as site:
        assert download(site.url, tmp_path, MOST).read_bytes() == BODY
    assert site.starts == ["", "bytes=2000000-", "bytes=3000000-"]


def test_a_later_run_continues_an_earlier_one(tmp_path):
    with serving(Site(BODY, cut_after=[2_000_000, 0, 0, 0, 0])) as site:
        with pytest.raises(UserError, match=r"cannot be fetched \(.*\); run again to go on at byte 2,000,000"):
            download(site.url, tmp_path, MOST)
        asked = len(site.asked)
        assert download(site.url, tmp_path, MOST).read_bytes() == BODY
    assert site.starts[asked:] == ["bytes=2000000-"]


def test_a_file_that_changed_meanwhile_starts_anew(tmp_path):
    with serving(Site(BODY, cut_after=[2_000_000, 0, 0, 0, 0])) as site:
        with pytest.raises(UserError):
            download(site.url, tmp_path, MOST)
        site.body, site.headers = BODY[::-1], {"ETag": '"v2"'}
        assert download(site.url, tmp_path, MOST).read_bytes() == BODY[::-1]


def test_a_file_that_changed_its_size_on_a_server_without_versions_starts_anew(tmp_path):
    with serving(Site(BODY, headers={}, cut_after=[2_000_000, 0, 0, 0, 0])) as site:
        with pytest.raises(UserError):
            download(site.url, tmp_path, MOST)
        site.body = BODY[::-1] + b"more"
        assert download(site.url, tmp_path, MOST).read_bytes() == BODY[::-1] + b"more"


def test_a_server_without_ranges_starts_anew(tmp_path):
    with serving(Site(BODY, ranges=False, cut_after=[2_000_000])) as site:
        assert download(site.url, tmp_path, MOST).read_bytes() == BODY
    assert len(site.asked) == 2


def test_a_killed_process_is_continued(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from deepfake_pipeline.media import download as d\n"
        "def dying(remote):\n"
        "    yield remote.read(1_000_000)\n"
        "    os._exit(9)\n"
        "d._chunks = dying\n"
        "d.download(sys.argv[1], Path(sys.argv[2]), 10**9)\n"
    )
    with serving(Site(BODY)) as site:
        done = subprocess.run([sys.executable, "-c", code, site.url, str(tmp_path)], check=False)
        assert done.returncode == 9
        part = next(tmp_path.glob("*.part"))
        kept = part.stat().st_size
        assert download(site.url, tmp_path, MOST).read_bytes() == BODY
    assert site.starts[1] == (f"bytes={kept}-" if kept else "")


def test_the_server_of_the_standard_library(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "a.zip").write_bytes(BODY)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "-d", str(tmp_path / "site")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        assert download(f"http://127.0.0.1:{port}/a.zip", tmp_path, MOST).read_bytes() == BODY
    finally:
        server.terminate()
        server.wait()


class TestFailures:
    def fails(self, url, folder, most=MOST):
        with pytest.raises(UserError) as caught:
            download(url, folder, most)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def test_404_names_the_address_without_its_secrets(self, tmp_path):
        with serving(Site(BODY)) as site:
            url = site.url.replace("http://", "http://me:secret@").replace("faces.zip", "none.zip?token=secret")
            message = self.fails(url, tmp_path)
        assert "404" in message and "/none.zip" in message and "secret" not in message
        assert len(site.asked) == 1

    def test_forbidden_is_not_tried_again(self, tmp_path):
        with serving(Site(BODY, statuses=[403])) as site:
            assert "403" in self.fails(site.url, tmp_path)
        assert len(site.asked) == 1

    def test_a_busy_server_is_tried_again(self, tmp_path):
        with serving(Site(BODY, statuses=[503, 429, 500])) as site:
            assert download(site.url, tmp_path, MOST).read_bytes() == BODY

    def test_a_broken_server_is_given_up(self, tmp_path):
        with serving(Site(BODY, statuses=[500] * 9)) as site:
            assert "500" in self.fails(site.url, tmp_path)
        assert len(site.asked) == 4

    def test_nobody_listens(self, tmp_path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        assert "cannot be fetched" in self.fails(f"http://127.0.0.1:{port}/a.zip", tmp_path)

    def test_unknown_host(self, tmp_path):
        assert "cannot be fetched" in self.fails("http://no-such-host.invalid/a.zip", tmp_path)

    def test_a_silent_server_times_out(self, tmp_path, monkeypatch):
        monkeypatch.setattr(room, "_SILENCE_SECONDS", 0.1)
        monkeypatch.setattr(room, "_CONNECT_SECONDS", 0.5)
        with socket.create_server(("127.0.0.1", 0)) as mute:
            assert "cannot be fetched" in self.fails(f"http://127.0.0.1:{mute.getsockname()[1]}/a.zip", tmp_path)

    def test_more_than_the_limit(self, tmp_path):
        with serving(Site(BODY)) as site:
            assert "more than 3,000,000 bytes" in self.fails(site.url, tmp_path, 3_000_000)

    def test_a_full_disk_is_told_before_it_is_full(self, tmp_path, monkeypatch):
        monkeypatch.setattr(room.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
        with serving(Site(BODY)) as site:
            assert "10 bytes are free" in self.fails(site.url, tmp_path)

    def test_a_folder_that_cannot_be_written(self, tmp_path):
        (tmp_path / "file").touch()
        with serving(Site(BODY)) as site:
            assert "file/scratch: cannot write there" in self.fails(site.url, tmp_path / "file" / "scratch")

    @pytest.mark.parametrize("url", ["http://", "http://host:port/a.zip", "http://[::1/a.zip", "https:///a.zip"])
    def test_no_address(self, tmp_path, url):
        assert "not a valid http(s) address" in self.fails(url, tmp_path)


def test_shown():
    assert shown("https://me:pw@host.org/a.zip?key=1#x") == "https://host.org/a.zip"
