import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from click.testing import CliRunner
from scipy.special import expit

from deepfake_pipeline.cli import cli
from deepfake_pipeline.faces.geometry import CropGeometry
from deepfake_pipeline.faces.params import FaceParams
from deepfake_pipeline.models import DETECTORS, DetectorOutput
from deepfake_pipeline.models.run import DetectorRunner
from deepfake_pipeline.models.store import build_network
from deepfake_pipeline.scoring.calibration import CALIBRATORS
from deepfake_pipeline.scoring.onnx import (
    TOLERANCE,
    export_detector,
    export_enhancer,
    export_release,
    largest_difference,
)
from deepfake_pipeline.scoring.release import Release, read_release, write_release
from deepfake_pipeline.tables.errors import UserError

SIDE = 64
MEMBERS = [{"name": "meso4", "config": {"image_size": SIDE}}, {"name": "hybrid", "config": {"image_size": SIDE // 2}}]


def lively(network):
    """Weights with which the output depends on the input."""
    generator = torch.Generator().manual_seed(3)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.copy_(0.1 * torch.randn(buffer.shape, generator=generator))
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter.data.mul_(1.5)
    if hasattr(network, "last"):
        network.last.weight.data.copy_(0.02 * torch.randn(network.last.weight.shape, generator=generator))
    return network.eval()


def detector(name="meso4"):
    torch.manual_seed(0)
    return lively(build_network(name, {"members": MEMBERS} if name == "ensemble" else {"image_size": SIDE}))


def enhancer():
    torch.manual_seed(0)
    return lively(build_network("recurrent_unet", {"widths": (4, 8), "steps": 1}))


def release(**changes):
    geometry = CropGeometry(kind="aligned", height=SIDE, width=SIDE, faces=FaceParams())
    parts = {"name": "small", "detector": detector(), "geometry": geometry, "threshold": 0.4, "enhancer": enhancer()}
    return Release(**{**parts, **changes})


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    return folder, export_release(release(), folder)


def session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_can_be_exported(name, tmp_path, capfd):
    network = detector(name)
    graph = export_detector(network)
    assert graph.difference <= TOLERANCE
    (tmp_path / "detector.onnx").write_bytes(graph.data)
    pictures = np.random.default_rng(5).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    images = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)).astype(np.float32) / 255
    found = session(tmp_path / "detector.onnx").run(["fake_probability"], {"images": images})[0]
    assert found.shape == (3,)
    np.testing.assert_allclose(found, DetectorRunner(network, "cpu").fake_probability(pictures), atol=TOLERANCE)
    assert capfd.readouterr() == ("", "")


def test_the_graphs_are_valid_and_free_where_they_should_be(exported):
    folder, record = exported
    shapes = {}
    for name in ("detector", "enhancer"):
        model = onnx.load(folder / f"{name}.onnx")
        onnx.checker.check_model(model, full_check=True)
        assert not any(node.metadata_props for node in model.graph.node)
        shapes[name] = [axis.dim_param or axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim]
        assert shapes[name] == record["files"][f"{name}.onnx"]["input"]["shape"]
    assert shapes == {"detector": ["batch", 3, SIDE, SIDE], "enhancer": ["batch", 3, "height", "width"]}


@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (5, 3, 64, 64), (2, 3, 31, 50), (1, 3, 160, 120)])
def test_the_enhancer_takes_any_size(exported, shape):
    images = np.random.default_rng(1).random(shape, np.float32)
    found = session(exported[0] / "enhancer.onnx").run(["restored"], {"images": images})[0]
    expected = enhancer()(torch.from_numpy(images)).clamp(0, 1).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    assert np.abs(found - images).max() > 0.01


def test_the_record_says_what_was_written(exported):
    folder, record = exported
    assert json.loads((folder / "export.json").read_text()) == record
    assert sorted(path.name for path in folder.iterdir()) == ["detector.onnx", "enhancer.onnx", "export.json"]
    assert record["release"] == "small"
    assert record["threshold"] == 0.4
    assert record["geometry"]["height"] == SIDE
    for name, file in record["files"].items():
        data = (folder / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == file["sha256"]
        assert len(data) == file["bytes"]
        assert 0 <= file["largest_difference"] <= TOLERANCE


def test_an_export_again_gives_the_same_bytes_and_leaves_nothing_old(exported, tmp_path):
    export_release(release(), tmp_path)
    assert (tmp_path / "enhancer.onnx").read_bytes() == (exported[0] / "enhancer.onnx").read_bytes()
    assert (tmp_path / "export.json").read_bytes() == (exported[0] / "export.json").read_bytes()
    (tmp_path / "mine.txt").write_text("kept")
    export_release(release(enhancer=None), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["detector.onnx", "export.json", "mine.txt"]


def test_another_network_is_noticed():
    other = detector()
    other.head.bias.data += 0.01

    class Judge(torch.nn.Module):
        def forward(self, images):
            return torch.sigmoid(other(images).logit)

    difference = largest_difference(export_detector(detector()).data, Judge(), [(SIDE, SIDE)])
    assert TOLERANCE < difference < 0.01


def test_a_network_that_gives_no_numbers_is_not_exported(tmp_path):
    broken = enhancer()
    broken.last.bias.data.fill_(float("nan"))
    with pytest.raises(UserError, match="nothing was exported: restored differs from torch by nan"):
        export_release(release(enhancer=broken), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_network_that_cannot_be_traced_is_one_line(capfd):
    class Odd(torch.nn.Module):
        image_size = 16

        def forward(self, images):
            if float(images.mean()) > 0.5:
                images = 1 - images
            return DetectorOutput(images.mean((1, 2, 3)), images, images)

    with pytest.raises(UserError, match="cannot be exported to ONNX") as raised:
        export_detector(Odd())
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


def test_an_enhancer_of_the_size_of_the_paper_with_large_weights_agrees():
    torch.manual_seed(1)
    assert export_enhancer(lively(build_network("recurrent_unet"))).difference <= TOLERANCE


class Brightness(torch.nn.Module):
    """Log-odds from -12 (black) to 12 (white): what calibration does to any of them can be seen."""

    image_size = 8

    def forward(self, images):
        return DetectorOutput(24 * (images.mean((1, 2, 3)) - 0.5), images, images)


def fitted(kind, spread, seed=0):
    """A calibrator of a kind, fitted to 600 faces that are less sure than their log-odds of this spread say."""
    rng = np.random.default_rng(seed)
    raw = spread * rng.normal(size=600)
    return CALIBRATORS[kind]((rng.random(600) < expit(0.5 * raw + 0.6 * np.tanh(raw) - 0.4)).astype(int), raw)


def separated():
    """Isotonic, of faces that log-odds separate but for one: the steepest line there is, beyond two knots."""
    raw = np.array([*np.linspace(-9, -8, 40), *np.linspace(8, 9, 40)])
    return CALIBRATORS["isotonic"]((raw > 0).astype(int), raw)


class TestCalibrated:
    kinds = {name: fitted(name, 3.0) for name in CALIBRATORS} | {"separated": separated()}

    @pytest.mark.parametrize("kind", kinds)
    def test_the_graph_gives_the_calibrated_probability_of_any_log_odds(self, kind):
        calibrator = self.kinds[kind]
        images = np.broadcast_to(np.linspace(0, 1, 2001, dtype=np.float32)[:, None, None, None], (2001, 3, 8, 8))
        with torch.inference_mode():
            raw = Brightness()(torch.from_numpy(images.copy())).logit.double().numpy()
        graph = export_detector(Brightness(), calibrator)
        found = onnxruntime.InferenceSession(graph.data, providers=["CPUExecutionProvider"])
        probability = found.run(["fake_probability"], {"images": images})[0]
        np.testing.assert_allclose(probability, calibrator.probability(raw), rtol=0, atol=TOLERANCE)
        moved = np.abs(calibrator.probability(raw) - expit(raw)).max()
        assert moved < 1e-12 if kind == "none" else moved > 0.02
        assert (len(calibrator.knots) > 4) == (kind == "isotonic")

    @pytest.mark.parametrize("kind", ["platt", "isotonic"])
    def test_the_command_exports_what_the_release_says(self, kind, tmp_path):
        pictures = np.random.default_rng(6).integers(0, 256, (16, SIDE, SIDE, 3), dtype=np.uint8)
        pictures[::2] = np.linspace(0, 255, 8, dtype=np.uint8)[:, None, None, None]
        raw = DetectorRunner(detector(), "cpu").judge(pictures).logit.astype(np.float64)
        calibrator = fitted(kind, float(np.abs(raw).max()))
        threshold = float(np.median(calibrator.probability(raw)))
        (tmp_path / "release").mkdir()
        write_release(release(enhancer=None, calibrator=calibrator, threshold=threshold), tmp_path / "release")
        arguments = ["export", "--release", tmp_path / "release", "--out", tmp_path / "onnx"]
        assert CliRunner().invoke(cli, list(map(str, arguments)), obj=TestCommand.Metadata).exit_code == 0
        images = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)).astype(np.float32) / 255
        found = session(tmp_path / "onnx/detector.onnx").run(["fake_probability"], {"images": images})[0]
        rule = read_release(tmp_path / "release").rule
        expected = rule.calibrator.probability(raw)
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
        assert np.abs(found - expit(raw)).max() > 0.01  # without its calibration it would be seen
        stored = json.loads((tmp_path / "onnx/export.json").read_text())["threshold"]
        sure = np.abs(expected - threshold) > TOLERANCE
        said = [rule.say(np.array([one]), sharpness=100.0).verdict for one in raw]
        assert stored == threshold
        assert list(np.where(found >= stored, "fake", "real")[sure]) == list(np.array(said)[sure])


class TestCommand:
    class Metadata:
        project_path = Path(__file__).parents[2]

    def export(self, *arguments):
        return CliRunner().invoke(cli, ["export", *map(str, arguments)], obj=self.Metadata)

    def test_a_release_is_exported(self, tmp_path):
        (tmp_path / "release").mkdir()
        write_release(release(enhancer=None), tmp_path / "release")
        result = self.export("--release", tmp_path / "release", "--out", tmp_path / "out" / "onnx")
        assert result.exit_code == 0
        name = read_release(tmp_path / "release").name
        assert result.stderr == f"release: {name}\n"
        assert json.loads((tmp_path / "out/onnx/export.json").read_text())["release"] == name
        assert "detector.onnx" in result.stdout
        assert len(result.stdout.splitlines()) == 1

    def test_mistakes_get_one_line(self, tmp_path):
        (tmp_path / "file").write_text("x")
        (tmp_path / "release").mkdir()
        write_release(release(enhancer=None), tmp_path / "release")
        for arguments, message in (
            (["--release", "not/there", "--out", tmp_path / "out"], "no release at not/there"),
            (["--release", tmp_path / "release", "--out", tmp_path / "file"], "cannot write the export to"),
        ):
            result = self.export(*arguments)
            assert result.exit_code == 1
            assert message in result.stderr
            assert len(result.stderr.splitlines()) == 1
