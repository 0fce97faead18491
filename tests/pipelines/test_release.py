"""Releases: gate, card, champion, registry; and scoring with an older one."""

import base64
import json

import mlflow
import pandas as pd
import pytest

from deepfake_pipeline.scoring.release import find_release
from deepfake_pipeline.tables.stream import ParquetTable
from tests.pipelines.conftest import Project


@pytest.fixture(scope="module")
def released(finished, tmp_path_factory):
    """A copy of the finished project with two releases."""
    project = Project(tmp_path_factory.mktemp("released") / "project", like=finished)
    project.run("release")
    project.run("release")
    return project


@pytest.fixture(scope="module")
def releases(released):
    return released.root / "data/06_models/releases"


@pytest.fixture(scope="module")
def versions(releases):
    return sorted(folder.name for folder in releases.iterdir() if folder.is_dir())


def test_each_release_is_a_version_and_the_newest_is_the_champion(releases, versions):
    assert len(versions) == 2
    champion = json.loads((releases / "champion.json").read_text())
    assert champion["version"] == versions[-1]
    assert find_release(None, releases.parent).name == champion["release"]
    assert find_release(versions[0], releases.parent).version == versions[0]


def test_the_gate_holds_the_second_against_the_first(releases, versions):
    gates = [find_release(version, releases.parent).card["gate"] for version in versions]
    assert gates[0]["champion"] is None
    assert gates[1]["champion"].startswith(versions[0])
    assert gates[1]["auroc_change"]["value"] == 0
    assert all(gate["kept"] and not gate["forced"] for gate in gates)


def test_the_card_is_in_the_release(releases, versions):
    release = find_release(versions[-1], releases.parent)
    assert set(release.pages) == {"card.md", "card.html"}
    assert release.card["gate"]["champion"] in release.pages["card.md"].replace("\\", "")
    summary = release.card["test"]
    assert f"{summary['auroc']:.3f}" in release.pages["card.md"]


def test_scoring_uses_the_newest_release_or_the_one_that_is_asked_for(released, versions):
    def scores():
        return ParquetTable(released.root / "data/07_model_output/scores").read()

    released.run("scoring")
    newest = scores()
    released.run("scoring", load_versions={"release": versions[0]})
    older = scores()
    assert newest.release.str.startswith(versions[-1]).all()
    assert older.release.str.startswith(versions[0]).all()
    assert newest.fake_probability.equals(older.fake_probability)
    manifest = ParquetTable(released.root / "data/02_intermediate/manifest").read(["path", "sha256"])
    assert list(dict.fromkeys(newest.path)) == list(manifest.path)


class TestRegistry:
    @pytest.fixture(scope="class")
    def model(self, released):
        return mlflow.pyfunc.load_model("models:/forgery-detector-rendered@champion")

    @pytest.fixture(scope="class")
    def pictures(self, released):
        return sorted((released.root / "data/01_raw/media/files").rglob("*.png"))[:3]

    def test_the_champion_is_registered_with_signature_and_example(self, model, released):
        assert model.metadata.signature.inputs.input_names() == ["image"]
        assert model.metadata.saved_input_example_info is not None

    def test_bytes_and_base64_score_as_the_command_line_does(self, model, pictures, releases):
        from deepfake_pipeline.scoring.score import score_files

        expected = list(score_files(pictures, find_release("champion", releases.parent)))
        data = [picture.read_bytes() for picture in pictures]
        for column in (data, [base64.b64encode(one).decode() for one in data]):
            rows = model.predict(pd.DataFrame({"image": column}))
            assert list(rows.fake_probability) == [row["fake_probability"] for row in expected]
            assert list(rows.verdict) == [row["verdict"] for row in expected]
            assert list(rows.level) == [row["level"] for row in expected]
            assert list(rows.release) == [row["release"] for row in expected]

    def test_a_path_is_read_only_below_a_root_that_is_allowed(self, model, pictures):
        with pytest.raises(ValueError, match="neither the bytes"):
            model.predict(pd.DataFrame({"image": [str(pictures[0])]}))
        uri = "models:/forgery-detector-rendered@champion"
        allowed = mlflow.pyfunc.load_model(uri, model_config={"allowed_root": str(pictures[0].parent)})
        verdict = allowed.predict(pd.DataFrame({"image": [pictures[0].name]})).verdict[0]
        assert verdict in ("real", "fake", "unsure", "no_face")
        with pytest.raises(ValueError, match="neither the bytes"):
            allowed.predict(pd.DataFrame({"image": ["../../../../../../conf/base/globals.yml"]}))

    def test_a_damaged_picture_is_a_row_with_its_reason(self, model):
        rows = model.predict(pd.DataFrame({"image": [b"no picture"]}))
        assert list(rows.reason) == ["unsupported_type"]
        assert rows.verdict[0] is None
