"""Releases whose weights are stored in float16."""

from dataclasses import replace

import pytest
import torch

from deepfake_pipeline.models.store import build_network, network_bytes
from deepfake_pipeline.scoring.release import hashes_of, packaged_release, read_release, rounded_release, write_release


@pytest.fixture
def whole():
    torch.manual_seed(0)
    detector = build_network("resnet_small").eval()
    return replace(packaged_release(), detector=detector, precision="float32")


def test_a_rounded_release_is_read_as_it_was_judged_and_written_again_the_same(tmp_path, whole):
    release = rounded_release(whole, "float16")
    folders = tmp_path / "first", tmp_path / "second"
    for folder in folders:
        folder.mkdir()
    write_release(release, folders[0])
    read = read_release(folders[0])
    write_release(read, folders[1])
    files = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
    assert files[0] == files[1]
    assert read.precision == "float16" and whole.precision == "float32"
    assert hashes_of(read) == hashes_of(release)
    assert network_bytes(read.detector) == network_bytes(release.detector)
    assert len(files[0]["detector.safetensors"]) < 0.52 * len(network_bytes(whole.detector))


def test_a_release_in_float32_keeps_its_weights(whole):
    assert hashes_of(rounded_release(whole, "float32")) == hashes_of(whole)
