"""A detector that looks at the picture, at its noise and at its spectrum.

Noise residuals: Zhou et al., "Learning rich features for image manipulation detection", CVPR 2018 (arXiv 1805.04953),
after Fridrich & Kodovský, IEEE TIFS 2012. Spectrum: block DCT as in Frank et al., ICML 2020 (arXiv 2003.08685), and as
in JPEG. How they are joined and the size are our choice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepfake_pipeline.models.detector import Detector, DetectorOutput
from deepfake_pipeline.models.inputs import centred

BLOCK = 8  # side in px of the DCT blocks
_CLIP = 3.0  # residuals beyond this many grey levels are edges of the picture, not noise
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class FrequencyConfig:
    """Size of the network.

    Attributes:
        image_size: side in px of the square input, a multiple of 16.
        widths: channels of the picture's and of the residuals' branch after each of their three halvings.
        joined: channels after the three branches are joined.
        dropout: share dropped in training before the last layer.
    """

    image_size: int = 128
    widths: tuple[int, int, int] = (32, 64, 96)
    joined: int = 192
    dropout: float = 0.2


class Frequency(Detector):
    """Two convolutional branches, on pixels and on SRM residuals, joined with block-DCT magnitudes at 1/8 resolution.

    Input float32 ``(N, 3, 128, 128)``, RGB in [0, 1]. 1,425,345 parameters; the filters of residuals and DCT are
    fixed, kept out of the state and computed in float32, as bfloat16 would round away what they are to measure.
    """

    config_class = FrequencyConfig
    srm: Tensor
    dct: Tensor

    def __init__(self, config: FrequencyConfig | None = None) -> None:
        super().__init__()
        self.config = config or FrequencyConfig()
        kernels = srm_kernels()
        self.register_buffer("srm", kernels.repeat(3, 1, 1).unsqueeze(1), persistent=False)
        self.register_buffer("dct", dct_filters(BLOCK).unsqueeze(1), persistent=False)
        self.picture = _branch(3, self.config.widths)
        self.residual = _branch(3 * len(kernels), self.config.widths)
        self.spectrum = nn.BatchNorm2d(BLOCK * BLOCK)
        joined = self.config.joined
        self.features = nn.Sequential(
            *_conv_norm_relu(2 * self.config.widths[-1] + BLOCK * BLOCK, joined, stride=2),
            *_conv_norm_relu(joined, joined, stride=1),
            *_conv_norm_relu(joined, joined, stride=1),
        )
        self.drop = nn.Dropout(self.config.dropout)
        self.head = nn.Linear(joined, 1)

    def forward(self, images: Tensor) -> DetectorOutput:
        """Logit ``(N,)``, feature map ``(N, 192, 8, 8)`` and embedding ``(N, 192)`` at 128 px."""
        branches = [
            self.picture(centred(images)),
            self.residual(self.residuals(images)),
            self.spectrum(self.magnitudes(images)),
        ]
        feature_map = self.features(torch.cat(branches, dim=1))
        embedding = feature_map.mean((2, 3))
        return DetectorOutput(self.head(self.drop(embedding)).squeeze(1), feature_map, embedding)

    def residuals(self, images: Tensor) -> Tensor:
        """What the SRM filters leave of each colour, ``(N, 9, H, W)`` float32 in [-1, 1]."""
        with torch.autocast(images.device.type, enabled=False):
            padded = functional.pad(images.float(), (2, 2, 2, 2), mode="reflect")
            left = functional.conv2d(padded, self.srm, groups=3)
        return (left * (255 / _CLIP)).clamp(-1, 1)

    def magnitudes(self, images: Tensor) -> Tensor:
        """Logarithm of the luma's DCT magnitudes in blocks of 8×8 px, ``(N, 64, H / 8, W / 8)`` float32."""
        with torch.autocast(images.device.type, enabled=False):
            luma = (images.float() * images.new_tensor(_LUMA, dtype=torch.float32).view(1, 3, 1, 1)).sum(
                1, keepdim=True
            )
            coefficients = functional.conv2d(luma, self.dct, stride=BLOCK)
        return torch.log(coefficients.abs() + 1 / 255)


def srm_kernels() -> Tensor:
    """The three high-pass kernels of Zhou et al., ``(3, 5, 5)``: a flat area and a linear gradient give 0."""
    second_order = [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 1, -2, 1, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    square_3 = [[0, 0, 0, 0, 0], [0, -1, 2, -1, 0], [0, 2, -4, 2, 0], [0, -1, 2, -1, 0], [0, 0, 0, 0, 0]]
    square_5 = [[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2], [-1, 2, -2, 2, -1]]
    scales = torch.tensor([2.0, 4.0, 12.0]).view(3, 1, 1)
    return torch.tensor([second_order, square_3, square_5]) / scales


def dct_filters(side: int) -> Tensor:
    """The orthonormal two-dimensional DCT-II as ``(side², side, side)`` filters, row frequency first."""
    frequency, place = torch.arange(side).view(-1, 1), torch.arange(side).view(1, -1)
    basis = torch.cos(math.pi / side * (place + 0.5) * frequency) * math.sqrt(2 / side)
    basis[0] /= math.sqrt(2)
    return torch.einsum("ui,vj->uvij", basis, basis).flatten(0, 1)


def _branch(inputs: int, widths: tuple[int, int, int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for outputs in widths:
        layers += _conv_norm_relu(inputs, outputs, stride=2)
        inputs = outputs
    return nn.Sequential(*layers, *_conv_norm_relu(inputs, inputs, stride=1))


def _conv_norm_relu(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]
