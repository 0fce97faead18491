"""A small network that tells what has happened to a face: which degradation, and how severe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepfake_pipeline.models.light_estimator import LightEstimator

NO_DEGRADATION = "none"
"""What a clean face is called among the degradations."""


@dataclass(frozen=True)
class DegradationClassifierConfig:
    """What the network tells apart, and its size.

    Attributes:
        degradations: names, in the order of the outputs.
        severities: whole numbers from 1 to 5, ascending.
        widths: channels after each convolution; each halves the resolution.
        hidden: units of the layer before the last.
        light: an estimator of shadows goes with it.
    """

    degradations: tuple[str, ...]
    severities: tuple[int, ...]
    widths: tuple[int, ...] = (16, 32, 48, 64, 64, 64)
    hidden: int = 64
    light: bool = False

    @property
    def cells(self) -> tuple[tuple[str, int], ...]:
        """Degradation and severity of each output: no degradation, of severity 0, comes first."""
        return ((NO_DEGRADATION, 0), *((name, step) for name in self.degradations for step in self.severities))


class Diagnosis(NamedTuple):
    """What is told of ``N`` images, of K degradations.

    Attributes:
        cells: float32 ``(N, C)``, log-odds of each degradation and severity together, as the configuration's ``cells``.
        degradations: float32 ``(N, 1 + K)``, log-odds of no degradation and of each one.
        severity: float32 ``(N,)``, the expected severity in [0, 5]; no degradation counts as 0.
    """

    cells: Tensor
    degradations: Tensor
    severity: Tensor


class DegradationClassifier(nn.Module):
    """Convolutions over colours and high frequencies, of whose responses every scale gives its mean and its spread.

    Input float32 ``(N, 3, H, W)``, RGB in [0, 1], of any H and W from 16 px: never resized before, since noise, blur
    and codecs leave their traces at the scale of pixels. The high-pass filters are those of steganalysis (Fridrich
    and Kodovsky 2012, "Rich models for steganalysis of digital images"), where the picture itself is in the way too;
    spread as well as mean of a response is what texture descriptors keep. The last stages see half a face at once, as a
    shadow wants. 161,877 parameters for four degradations at
    five severities.

    Beside it may stand an estimator of shadows, trained apart: what it says, a repair takes back.

    Severities are classes of their own: a repair is then chosen by the chances of all of them, and not by one guess.
    """

    config_class = DegradationClassifierConfig

    def __init__(self, config: DegradationClassifierConfig) -> None:
        super().__init__()
        self.config = config
        widths = tuple(config.widths)
        self.high_pass = HighPass()
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 5 if number == 0 else 3, 2, 2 if number == 0 else 1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            )
            for number, (inputs, outputs) in enumerate(zip((3 + HighPass.channels, *widths), widths, strict=False))
        )
        self.norm = nn.BatchNorm1d(2 * sum(widths), affine=False)
        self.hidden = nn.Linear(2 * sum(widths), config.hidden)
        self.last = nn.Linear(config.hidden, len(config.cells))
        self.light = LightEstimator() if config.light else None
        steps = torch.tensor([float(severity) for _, severity in config.cells])
        self.register_buffer("steps", steps, persistent=False)

    def forward(self, images: Tensor) -> Diagnosis:
        """What is told of ``(N, 3, H, W)``."""
        x = self.high_pass.with_colours(images)
        seen = []
        for stage in self.stages:
            x = stage(x)
            places = x.permute(0, 2, 3, 1).flatten(1, 2).float()  # torch.var_mean crawls where channels come last
            mean = places.mean(dim=1)
            spread = (places - mean[:, None]).square().mean(dim=1)
            seen += [mean, (spread + 1e-4).sqrt()]
        cells: Tensor = self.last(functional.relu(self.hidden(self.norm(torch.cat(seen, dim=1))))).float()
        of_degradations = cells[:, 1:].reshape(len(cells), -1, len(self.config.severities)).logsumexp(dim=2)
        severity = cells.softmax(dim=1) @ self.get_buffer("steps")
        return Diagnosis(cells, torch.cat([cells[:, :1], of_degradations], dim=1), severity)


class HighPass(nn.Module):
    """Differences of neighbouring pixels: second ones of each colour, first ones of luma across and down.

    Differences beyond an eighth of the range are cut off: a faint trace then weighs as much as a strong edge.
    """

    channels = 5
    gain = 8.0

    kernels: Tensor

    def __init__(self) -> None:
        super().__init__()
        both = torch.tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 4
        across = torch.tensor([[0.0, 0, 0], [0, -1, 1], [0, 0, 0]])
        luma = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
        colours = torch.eye(3).view(3, 3, 1, 1) * both
        slopes = torch.stack([luma * across, luma * across.T])
        self.register_buffer("kernels", torch.cat([colours, slopes]), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """``(N, 5, H, W)`` in [-1, 1]."""
        return self.with_colours(images)[:, 3:]

    def with_colours(self, images: Tensor) -> Tensor:
        """``(N, 8, H, W)``: the colours brought to [-1, 1], then the differences."""
        itself = torch.zeros_like(self.kernels[:3])
        itself[range(3), range(3), 1, 1] = 2
        bias = self.kernels.new_tensor([-1.0] * 3 + [0.0] * self.channels)
        with torch.autocast(images.device.type, enabled=False):  # bfloat16 would round the pixels
            padded = functional.pad(images.float(), (1, 1, 1, 1), mode="reflect")
            return functional.conv2d(padded, torch.cat([itself, self.kernels * self.gain]), bias).clamp(-1, 1)
