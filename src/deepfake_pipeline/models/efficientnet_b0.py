"""EfficientNet-B0 (Tan & Le, ICML 2019, arXiv 1905.11946)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from deepfake_pipeline.models.detector import Detector, DetectorOutput
from deepfake_pipeline.models.inputs import centred

# expansion, kernel, stride of the first block, channels, blocks: table 1 of the paper
STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


@dataclass(frozen=True)
class EfficientNetB0Config:
    """Size of the network.

    Attributes:
        image_size: side in px of the square input; published with 224.
        dropout: share dropped in training before the last layer.
        drop_path: share of the faces for which the last block is skipped in training; it grows from 0 at the first.
    """

    image_size: int = 224
    dropout: float = 0.2
    drop_path: float = 0.2


class EfficientNetB0(Detector):
    """Inverted bottlenecks with squeeze-and-excitation, found by architecture search.

    Input float32 ``(N, 3, 224, 224)``, RGB in [0, 1]. 4,008,829 parameters, 4,007,548 of them in the trunk, as
    published.
    """

    config_class = EfficientNetB0Config

    def __init__(self, config: EfficientNetB0Config | None = None) -> None:
        super().__init__()
        self.config = config or EfficientNetB0Config()
        layers: list[nn.Module] = [*_conv_norm(3, 32, 3, stride=2), nn.SiLU(inplace=True)]
        inputs, total = 32, sum(stage[-1] for stage in STAGES)
        number = 0
        for expansion, kernel, first_stride, outputs, blocks in STAGES:
            for block in range(blocks):
                stride = first_stride if block == 0 else 1
                skipped = self.config.drop_path * number / total
                layers.append(InvertedBottleneck(inputs, outputs, expansion, kernel, stride, skipped))
                inputs, number = outputs, number + 1
        layers += [*_conv_norm(inputs, 1280, 1), nn.SiLU(inplace=True)]
        self.features = nn.Sequential(*layers)
        self.drop = nn.Dropout(self.config.dropout)
        self.head = nn.Linear(1280, 1)

    def forward(self, images: Tensor) -> DetectorOutput:
        """Logit ``(N,)``, feature map ``(N, 1280, 7, 7)`` and embedding ``(N, 1280)`` at 224 px."""
        feature_map = self.features(centred(images))
        embedding = feature_map.mean((2, 3))
        return DetectorOutput(self.head(self.drop(embedding)).squeeze(1), feature_map, embedding)


class InvertedBottleneck(nn.Module):
    """Widen, filter each channel by itself, weigh the channels, narrow; added to the input where shapes agree.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        expansion: how many times wider the middle is.
        kernel: side of the depthwise convolution.
        stride: of the depthwise convolution.
        skipped: share of the samples for which training leaves the block out (stochastic depth, arXiv 1603.09382).
    """

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int, skipped: float) -> None:
        super().__init__()
        middle = inputs * expansion
        widen = [*_conv_norm(inputs, middle, 1), nn.SiLU(inplace=True)] if expansion > 1 else []
        self.body = nn.Sequential(
            *widen,
            *_conv_norm(middle, middle, kernel, stride=stride, groups=middle),
            nn.SiLU(inplace=True),
            SqueezeExcitation(middle, inputs // 4),
            *_conv_norm(middle, outputs, 1),
        )
        self.adds = stride == 1 and inputs == outputs
        self.skipped = skipped

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        if not self.adds:
            return y
        if self.training and self.skipped:
            kept = (torch.rand(len(y), 1, 1, 1, device=y.device) >= self.skipped).to(y.dtype)
            y = y * kept / (1 - self.skipped)
        return x + y


class SqueezeExcitation(nn.Module):
    """Weighs each channel by what all of them are like on average (arXiv 1709.01507)."""

    def __init__(self, channels: int, middle: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.Conv2d(channels, middle, 1), nn.SiLU(inplace=True), nn.Conv2d(middle, channels, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        weights: Tensor = self.weigh(x.mean((2, 3), keepdim=True))
        return x * weights


def _conv_norm(inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
