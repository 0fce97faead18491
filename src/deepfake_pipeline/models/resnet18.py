"""ResNet-18 (He et al., CVPR 2016, arXiv 1512.03385)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from deepfake_pipeline.models.detector import Detector, DetectorOutput
from deepfake_pipeline.models.inputs import centred


@dataclass(frozen=True)
class ResNet18Config:
    """Size of the network.

    Attributes:
        image_size: side in px of the square input; published with 224.
        dropout: share dropped in training before the last layer; the paper has none.
    """

    image_size: int = 224
    dropout: float = 0.0


class ResNet18(Detector):
    """Eight residual blocks of two 3×3 convolutions, in four stages of 64 to 512 channels.

    Input float32 ``(N, 3, 224, 224)``, RGB in [0, 1]. 11,177,025 parameters, 11,176,512 of them in the trunk, as
    published.
    """

    config_class = ResNet18Config

    def __init__(self, config: ResNet18Config | None = None) -> None:
        super().__init__()
        self.config = config or ResNet18Config()
        layers: list[nn.Module] = [
            nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        ]
        inputs = 64
        for width in (64, 128, 256, 512):
            layers += [BasicBlock(inputs, width, stride=width // inputs), BasicBlock(width, width, stride=1)]
            inputs = width
        self.features = nn.Sequential(*layers)
        self.drop = nn.Dropout(self.config.dropout)
        self.head = nn.Linear(512, 1)

    def forward(self, images: Tensor) -> DetectorOutput:
        """Logit ``(N,)``, feature map ``(N, 512, 7, 7)`` and embedding ``(N, 512)`` at 224 px."""
        feature_map = self.features(centred(images))
        embedding = feature_map.mean((2, 3))
        return DetectorOutput(self.head(self.drop(embedding)).squeeze(1), feature_map, embedding)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions added to their input, which passes a strided 1×1 convolution where shapes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.body(x) + self.shortcut(x), inplace=True)
