"""The champion served over HTTP, as another team would use it."""

import base64
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from deepfake_pipeline.scoring.release import find_release
from deepfake_pipeline.scoring.score import score_files
from tests.pipelines.conftest import ROOT, Project

WAIT = 120.0  # seconds until a server must answer


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(address, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("served") / "project", like=finished)
    project.overlay("tiny", {**project.parameters("tiny"), "release": {"rule": "any"}})
    project.run("release")
    return project


@pytest.fixture(scope="module")
def server(project, tmp_path_factory):
    address = f"http://127.0.0.1:{(port := free_port())}"
    words = ["models", "serve", "-m", "models:/forgery-detector-rendered@champion", "--env-manager", "local"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),
        "PATH": f"{os.path.dirname(sys.executable)}:/usr/bin:/bin",
    }
    log = tmp_path_factory.mktemp("log") / "server.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *words, "--port", str(port)], stdout=out, stderr=out, env=environment
        )
        try:
            until = time.monotonic() + WAIT
            while True:
                try:
                    ask(f"{address}/ping")
                    break
                except (urllib.error.URLError, ConnectionError):
                    assert process.poll() is None and time.monotonic() < until, log.read_text()
                    time.sleep(0.5)
            yield address
        finally:
            process.terminate()
            process.wait(30)


def test_a_picture_sent_as_base64_is_scored_as_by_the_command_line(server, project):
    picture = next((project.root / "data/01_raw/media/files").rglob("*.png"))
    body = {"dataframe_records": [{"image": base64.b64encode(picture.read_bytes()).decode()}]}
    *_, row = json.loads(ask(f"{server}/invocations", body))["predictions"]
    release = find_release("champion", project.root / "data/06_models")
    *_, expected = score_files([picture], release)
    assert row["level"] == expected["level"] == "file"
    assert row["fake_probability"] == pytest.approx(expected["fake_probability"], abs=1e-6)
    assert row["verdict"] == expected["verdict"]
    assert row["release"] == release.name


def test_no_request_reads_a_file_of_the_server(server, project):
    picture = next((project.root / "data/01_raw/media/files").rglob("*.png"))
    for body in (
        {"dataframe_records": [{"image": str(picture)}]},
        {"dataframe_records": [{"image": str(picture)}], "params": {"allowed_root": "/"}},
    ):
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(f"{server}/invocations", body)
        assert caught.value.code == 400
