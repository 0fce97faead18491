import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from functools import partial

import numpy as np
import pytest

from deepfake_pipeline.media import download as room
from deepfake_pipeline.media import gate
from deepfake_pipeline.media.download import shown
from deepfake_pipeline.tables.errors import UserError
from tests.media.web import Site, serving

BODY = np.random.default_rng(0).bytes(3_500_000)
MOST = 10**9
download = partial(room.download, private_addresses=True)  # the servers of these tests are on this machine


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost,.test")
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
        "d.download(sys.argv[1], Path(sys.argv[2]), 10**9, True)\n"
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

    def test_a_server_that_only_drips_is_left(self, tmp_path, monkeypatch):
        monkeypatch.setattr(room, "_SPAN_SECONDS", 0.3)
        with serving(Site(BODY, drip=True)) as site:
            message = self.fails(site.url, tmp_path)
            assert "sends less than 1,024 bytes a second" in message
            site.drip = False
            assert download(site.url, tmp_path, MOST).read_bytes() == BODY
        assert site.starts[0] == "" and site.starts[1].startswith("bytes=")

    def test_headers_that_only_trickle_end_too(self, tmp_path, monkeypatch):
        monkeypatch.setattr(room, "_ANSWER_SECONDS", 0.2)
        with serving(Site(BODY, trickle=True)) as site:
            assert "cannot be fetched" in self.fails(site.url, tmp_path)
        assert len(site.asked) == room._ATTEMPTS

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


class TestPrivateAddresses:
    def fails(self, url, folder):
        with pytest.raises(UserError, match=r"no public address; .* set ingestion\.archive\.private_addresses") as e:
            room.download(url, folder, MOST)
        return str(e.value)

    @pytest.fixture
    def only_one_is_public(self, monkeypatch):
        """Of this machine, 127.0.0.1 passes for a machine of the internet; 127.0.0.2 is the network within."""
        monkeypatch.setattr(gate, "is_public", lambda host: host == "127.0.0.1")

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_this_machine_is_not_asked(self, tmp_path, host):
        with serving(Site(BODY)) as site:
            assert f"leads to {host}," in self.fails(site.url.replace("127.0.0.1", host), tmp_path)
        assert site.asked == []

    def test_nor_by_its_other_name(self, tmp_path):
        try:
            with serving(Site(BODY), "::1") as site:
                assert "leads to ::1" in self.fails(site.url, tmp_path)
                assert site.asked == []
                assert download(site.url, tmp_path, MOST).read_bytes() == BODY
        except OSError:
            pytest.skip("this machine has no IPv6")

    @pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "[::ffff:c0a8:1]", "[fd00::1]", "0.0.0.0"])
    def test_numbers(self, tmp_path, host):
        assert f"leads to {host.strip('[]')}," in self.fails(f"http://{host}/faces.zip", tmp_path)

    @pytest.mark.usefixtures("only_one_is_public")
    @pytest.mark.parametrize("name", ["127.0.0.2", "inner.test"])
    def test_a_redirect_does_not_lead_inside(self, tmp_path, name, monkeypatch):
        self.names(monkeypatch, {"inner.test": ["127.0.0.2"]})
        with serving(Site(BODY), "127.0.0.2") as inner, serving(Site(b"")) as outer:
            outer.redirect = inner.url.replace("127.0.0.2", name)
            assert "leads to 127.0.0.2" in self.fails(outer.url, tmp_path)
            assert len(outer.asked) == 1 and inner.asked == []

    @pytest.mark.usefixtures("only_one_is_public")
    def test_a_redirect_to_a_public_machine_is_followed(self, tmp_path):
        with serving(Site(BODY)) as inner, serving(Site(b"", redirect=inner.url)) as outer:
            assert room.download(outer.url, tmp_path, MOST).read_bytes() == BODY

    @pytest.mark.usefixtures("only_one_is_public")
    def test_a_name_that_changes_its_meaning_gains_nothing(self, tmp_path, monkeypatch):
        self.names(monkeypatch, {"rebind.test": ["127.0.0.1", "127.0.0.2"]})
        with serving(Site(BODY, cut_after=[1_000_000])) as site:
            url = site.url.replace("127.0.0.1", "rebind.test")
            assert "leads to 127.0.0.2" in self.fails(url, tmp_path)
        assert len(site.asked) == 1 and not list(tmp_path.glob("*.archive"))

    @pytest.mark.usefixtures("only_one_is_public")
    def test_a_proxy_of_the_environment_is_talked_to(self, tmp_path, monkeypatch):
        with serving(Site(BODY), "127.0.0.2") as proxy:
            monkeypatch.delenv("NO_PROXY")
            monkeypatch.setenv("http_proxy", proxy.url.rpartition("/")[0])
            assert "leads to 10.0.0.1," in self.fails("http://10.0.0.1/faces.zip", tmp_path)
            assert proxy.asked == []
            with pytest.raises(UserError, match="404"):  # this proxy fetches nothing, but it was asked
                room.download("http://public.test/faces.zip", tmp_path, MOST)
            assert proxy.asked[0]["Host"] == "public.test"

    def names(self, monkeypatch, known):
        """Resolve names as told, each time to the next address."""
        real = socket.getaddrinfo

        def resolve(host, *args, **kwargs):
            if host in known:
                host = known[host].pop(0) if len(known[host]) > 1 else known[host][0]
            return real(host, *args, **kwargs)

        monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.mark.parametrize("host", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"])
def test_public(host):
    assert gate.is_public(host)


@pytest.mark.parametrize(
    "host",
    ["127.8.9.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "255.255.255.255", "::", "::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1",
     "2002:a00:1::", "a name", ""],
)  # fmt: skip
def test_not_public(host):
    assert not gate.is_public(host)
