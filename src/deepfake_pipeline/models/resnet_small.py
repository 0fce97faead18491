"""A small residual network for two CPU cores: trains in minutes on faces of 112 to 160 px.

Residual blocks of He et al., CVPR 2016 (arXiv 1512.03385), with the averaging shortcut of He et al., CVPR 2019
(arXiv 1812.01187, ResNet-D); the size is our choice.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from deepfake_pipeline.models.detector import Detector, DetectorOutput
from deepfake_pipeline.models.inputs import centred
from deepfake_pipeline.models.winograd import Conv3x3


@dataclass(frozen=True)
class ResNetSmallConfig:
    """Size of the network.

    Attributes:
        image_size: side in px of the square input.
        stem: channels of the first convolution.
        stem_stride: of the first convolution, whose kernel is 2 · stride - 1 wide: 2 halves the resolution.
        widths: channels of each stage; every stage halves the resolution.
        depths: residual blocks of each stage.
        dropout: share dropped in training before the last layer.
    """

    image_size: int = 144
    stem: int = 32
    stem_stride: int = 2
    widths: tuple[int, ...] = (32, 64, 128, 144)
    depths: tuple[int, ...] = (1, 2, 2, 2)
    dropout: float = 0.2


class ResNetSmall(Detector):
    """One strided convolution, then seven residual blocks in four stages, mean and a logit.

    Input float32 ``(N, 3, 144, 144)``, RGB in [0, 1]. 1,423,633 parameters: 5.7 MB as float32. No layer works at
    full resolution, where batch normalisation, bound by memory, would take most of the time on a CPU.
    """

    config_class = ResNetSmallConfig

    def __init__(self, config: ResNetSmallConfig | None = None) -> None:
        super().__init__()
        self.config = config or ResNetSmallConfig()
        inputs, stride = self.config.stem, self.config.stem_stride
        layers: list[nn.Module] = [
            nn.Conv2d(3, inputs, 2 * stride - 1, stride, padding=stride - 1, bias=False),
            nn.BatchNorm2d(inputs),
            nn.ReLU(inplace=True),
        ]
        for width, depth in zip(self.config.widths, self.config.depths, strict=True):
            for number in range(depth):
                layers.append(ResidualBlock(inputs, width, stride=2 if number == 0 else 1))
                inputs = width
        self.features = nn.Sequential(*layers)
        self.drop = nn.Dropout(self.config.dropout)
        self.head = nn.Linear(inputs, 1)

    def forward(self, images: Tensor) -> DetectorOutput:
        """Logit ``(N,)``, feature map ``(N, 144, 5, 5)`` and embedding ``(N, 144)`` at 144 px."""
        feature_map = self.features(centred(images))
        embedding = feature_map.mean((2, 3))
        return DetectorOutput(self.head(self.drop(embedding)).squeeze(1), feature_map, embedding)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions added to their input, which is averaged and widened where shapes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            Conv3x3(inputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            Conv3x3(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        shortcut: list[nn.Module] = []
        if stride > 1:
            shortcut.append(nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False))
        if stride > 1 or inputs != outputs:
            shortcut += [nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.body(x) + self.shortcut(x), inplace=True)
