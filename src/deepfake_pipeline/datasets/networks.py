"""Networks as safetensors with their configuration in the header, alone or several by name."""

from __future__ import annotations

import json
from pathlib import Path

from kedro_datasets._typing import JSONPreview
from torch import nn

from deepfake_pipeline.datasets.base import LocalDataset
from deepfake_pipeline.models.store import load_network, network_bytes, network_header


class NetworkDataset(LocalDataset[nn.Module, nn.Module]):
    """Saves a network's weights and configuration, loads the network in evaluation mode."""

    def write(self, data: nn.Module, path: Path) -> None:
        path.write_bytes(network_bytes(data))

    def read(self, path: Path) -> nn.Module:
        return load_network(path.read_bytes())

    def preview(self) -> JSONPreview:
        """Name and configuration, for kedro-viz."""
        return JSONPreview(json.dumps(network_header(self.path.read_bytes())))


class NetworksDataset(LocalDataset[dict[str, nn.Module], dict[str, nn.Module]]):
    """Networks by name, each a file of a folder; the names may change from run to run."""

    def write(self, data: dict[str, nn.Module], path: Path) -> None:
        path.mkdir()
        for name, network in data.items():
            (path / f"{name}.safetensors").write_bytes(network_bytes(network))

    def read(self, path: Path) -> dict[str, nn.Module]:
        return {file.stem: load_network(file.read_bytes()) for file in sorted(path.glob("*.safetensors"))}

    def preview(self) -> JSONPreview:
        """Name and configuration of each, for kedro-viz."""
        headers = {file.stem: network_header(file.read_bytes()) for file in sorted(self.path.glob("*.safetensors"))}
        return JSONPreview(json.dumps(headers))
