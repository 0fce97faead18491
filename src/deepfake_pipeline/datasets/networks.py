"""Networks as safetensors with their configuration in the header."""

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
