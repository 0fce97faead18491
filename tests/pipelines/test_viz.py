"""kedro-viz as people see it: the static site in a browser, and the server."""

import contextlib
import functools
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

from deepfake_pipeline.pipeline_registry import STAGES, register_pipelines
from tests.pipelines.conftest import ROOT
from tests.pipelines.test_served import WAIT

LAYERS = [
    "raw",
    "intermediate",
    "primary",
    "feature",
    "model_input",
    "models",
    "model_output",
    "reporting",
    "release",
]
CHROMIUM = shutil.which("chromium")
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 120_000.0  # ms


def kedro(*words):
    """The words and the surroundings of a kedro command in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "DO_NOT_TRACK": "1"}
    return [sys.executable, "-m", "kedro", *words], environment


@pytest.fixture(scope="module")
def site(finished):
    """Folder of the static site of a finished run."""
    words, environment = kedro("viz", "build", "--include-previews")
    done = subprocess.run(words, cwd=finished.root, env=environment, capture_output=True, text=True, check=True)
    folder = finished.root / "build"
    assert (folder / "index.html").is_file(), done.stdout + done.stderr
    return folder


def nodes_of(site):
    return [json.loads(file.read_text()) for file in (site / "api/nodes").iterdir()]


class TestSite:
    def test_every_pipeline_is_drawn_in_layers(self, site):
        """kedro-viz draws none where data of one layer are made of data of a later one."""
        for name in register_pipelines():
            assert set(json.loads((site / "api/pipelines" / name).read_text())["layers"]) == set(LAYERS), name

    def test_layers_stand_in_the_order_of_the_folders(self, site):
        assert json.loads((site / "api/main").read_text())["layers"] == LAYERS

    def test_every_stage_is_a_group_that_opens(self, site):
        groups = json.loads((site / "api/main").read_text())["modular_pipelines"]
        assert set(groups) - {"__root__"} == set(STAGES)

    def test_every_file_of_the_run_has_its_preview(self, site):
        for node in nodes_of(site):
            path = node.get("filepath") or ""
            if os.path.exists(path) and "/data/0" in path:
                assert node["preview"], path


@pytest.fixture(scope="module")
def page(site):
    """The site, opened in Debian's Chromium."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(site))
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        playwright.sync_playwright() as started,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = started.chromium.launch(executable_path=CHROMIUM, args=QUIET, timeout=PATIENCE)
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        yield page
        browser.close()
        server.shutdown()


def click(page, name):
    # the drawing moves while it is laid out, so the event is sent to the node and not to a place
    page.locator(".pipeline-node").get_by_text(name, exact=True).dispatch_event("click")


class TestBrowser:
    def test_a_pipeline_opens_and_the_faces_inside_are_seen(self, page):
        drawn = page.locator(".pipeline-node")
        drawn.get_by_text("evaluation", exact=True).wait_for(state="attached")
        assert drawn.get_by_text("picture_before_after", exact=True).count() == 0
        click(page, "evaluation")
        drawn.get_by_text("picture_before_after", exact=True).wait_for(state="attached")
        click(page, "picture_before_after")
        picture = page.locator(".pipeline-metadata img[src^='data:image/png']").first
        picture.wait_for()
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 300

    def test_a_table_is_seen(self, page):
        click(page, "recipes")
        table = page.locator(".pipeline-metadata table")
        table.get_by_text("severity", exact=True).wait_for()
        assert table.locator("tr").count() == 1 + 20


def free_low_port():
    """A free port that kedro-viz takes: none above 49151."""
    for port in range(20_000 + os.getpid() % 10_000, 49_152):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")


def test_the_server_answers_with_pipelines_and_layers(finished, tmp_path):
    words, environment = kedro("viz", "run", "--no-browser", "--port", str(port := free_low_port()))
    log = tmp_path / "server.log"
    with log.open("w") as out:
        # in a session of its own, so that the server that kedro starts ends with it
        process = subprocess.Popen(
            words, cwd=finished.root, env=environment, stdout=out, stderr=out, start_new_session=True
        )
        try:
            answer = ask_until_it_answers(f"http://127.0.0.1:{port}/api/main", process, log)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)
    assert answer["layers"] == LAYERS
    assert set(answer["modular_pipelines"]) - {"__root__"} == set(STAGES)
    assert {entry["id"] for entry in answer["pipelines"]} == set(register_pipelines())


def ask_until_it_answers(address, process, log):
    until = time.monotonic() + WAIT
    while True:
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.5)
