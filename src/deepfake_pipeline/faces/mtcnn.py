"""The three networks of MTCNN (Zhang et al., IEEE SPL 2016, arXiv 1604.02878) with published weights.

The weights are those inside the ``mtcnn`` 1.0.0 wheel (MIT licence). Importing that package needs
TensorFlow, so only its files are read.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
from pathlib import Path
from typing import Literal

import joblib
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from deepfake_pipeline.tables.errors import UserError

Stage = Literal["pnet", "rnet", "onet"]

# The files are pickles: nothing but these very bytes is ever unpickled.
SHA256: dict[Stage, str] = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}


class PNet(nn.Module):
    """Proposals: looks at every 12×12 window, two pixels apart. 6,632 parameters.

    Input float32 ``(N, 3, H, W)``, RGB as :func:`normalised`, sides at least 12. Output: log-odds of a face
    ``(N, h, w)`` and offsets of the corners ``(N, 4, h, w)`` as shares of the window; for even sides
    ``h = H / 2 - 5``, and the window of place ``(i, j)`` starts at pixel ``(2 i, 2 j)``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_block(3, 10, 3),
            nn.MaxPool2d(2, ceil_mode=True),
            *_block(10, 16, 3),
            *_block(16, 32, 3),
        )
        self.box = nn.Conv2d(32, 4, 1)
        self.face = nn.Conv2d(32, 2, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(images)
        return _log_odds(self.face(features)), self.box(features)


class RNet(nn.Module):
    """Refinement of proposals. 100,178 parameters.

    Input float32 ``(N, 3, 24, 24)`` as :func:`normalised`. Output: log-odds of a face ``(N,)`` and offsets
    of the corners ``(N, 4)`` as shares of the crop.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_block(3, 28, 3),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            *_block(28, 48, 3),
            nn.MaxPool2d(3, 2),
            *_block(48, 64, 2),
        )
        self.dense = nn.Sequential(nn.Linear(64 * 3 * 3, 128), nn.PReLU(128))
        self.box = nn.Linear(128, 4)
        self.face = nn.Linear(128, 2)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        features = self.dense(self.features(crops).flatten(1))
        return _log_odds(self.face(features)), self.box(features)


class ONet(nn.Module):
    """The last word on a face, and its five points. 389,040 parameters.

    Input float32 ``(N, 3, 48, 48)`` as :func:`normalised`. Output: log-odds of a face ``(N,)``, offsets
    of the corners ``(N, 4)`` and points ``(N, 10)``, the five x before the five y, as shares of the crop.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_block(3, 32, 3),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            *_block(32, 64, 3),
            nn.MaxPool2d(3, 2),
            *_block(64, 64, 3),
            nn.MaxPool2d(2, ceil_mode=True),
            *_block(64, 128, 2),
        )
        self.dense = nn.Sequential(nn.Linear(128 * 3 * 3, 256), nn.PReLU(256))
        self.box = nn.Linear(256, 4)
        self.points = nn.Linear(256, 10)
        self.face = nn.Linear(256, 2)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.dense(self.features(crops).flatten(1))
        return _log_odds(self.face(features)), self.box(features), self.points(features)


def _block(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel), nn.PReLU(outputs)]


def _log_odds(logits: Tensor) -> Tensor:
    """From the two outputs, no face and face, what their softmax would say."""
    return logits[:, 1] - logits[:, 0]


def normalised(pixels: npt.NDArray[np.uint8], device: torch.device | str) -> Tensor:
    """What the networks take: uint8 ``(N, H, W, 3)`` to float32 ``(N, 3, H, W)`` in [-1, 1], channels last."""
    images = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2)
    return images.float().sub_(127.5).div_(128)


def load_networks(device: torch.device | str = "cpu") -> tuple[PNet, RNet, ONet]:
    """The three networks with their weights, for inference, in channels-last layout.

    Raises:
        UserError: the weights are not installed, or are not the published ones.
    """
    networks = PNet(), RNet(), ONet()
    for stage, network in zip(SHA256, networks, strict=True):
        network.load_state_dict(_torch_layout(network, load_weights(stage)))
        network.eval().requires_grad_(False)
        network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return networks


def load_weights(stage: Stage, folder: Path | None = None) -> list[npt.NDArray[np.float32]]:
    """Weights of one network in the order and layout of the wheel: kernels are (h, w, in, out).

    Args:
        stage: which network.
        folder: where ``pnet.lz4`` and the others lie; by default inside the installed ``mtcnn`` package.

    Raises:
        UserError: the file is absent, or is not the published one.
    """
    path = (folder or _weights_folder()) / f"{stage}.lz4"
    try:
        data = path.read_bytes()
    except OSError:
        raise UserError(f"{path}: no MTCNN weights there; install them: pip install mtcnn==1.0.0") from None
    if hashlib.sha256(data).hexdigest() != SHA256[stage]:
        raise UserError(f"{path}: not the published MTCNN weights; install them: pip install mtcnn==1.0.0")
    weights: list[npt.NDArray[np.float32]] = joblib.load(io.BytesIO(data))
    return weights


def _weights_folder() -> Path:
    spec = importlib.util.find_spec("mtcnn")  # finds the package without running any of it
    if spec is None or not spec.submodule_search_locations:
        raise UserError("the MTCNN weights are missing; install them: pip install mtcnn==1.0.0")
    return Path(spec.submodule_search_locations[0]) / "assets" / "weights"


def _torch_layout(network: nn.Module, weights: list[npt.NDArray[np.float32]]) -> dict[str, Tensor]:
    """State of a network from the wheel's list, which has the same order as the modules here."""
    state = {}
    for (name, parameter), value in zip(network.named_parameters(), weights, strict=True):
        tensor = torch.from_numpy(value)
        if parameter.ndim == 4:
            tensor = tensor.permute(3, 2, 0, 1)
        elif name == "dense.0.weight":  # made for features flattened by column, row, channel
            channels = parameter.shape[1] // 9
            tensor = tensor.reshape(3, 3, channels, -1).permute(3, 2, 1, 0).flatten(1)
        elif parameter.ndim == 2:
            tensor = tensor.T
        state[name] = tensor.reshape(parameter.shape).contiguous()
    return state
