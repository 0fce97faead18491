"""Xception (Chollet, CVPR 2017, arXiv 1610.02357), the strongest baseline of FaceForensics++ (arXiv 1901.08971)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from deepfake_pipeline.models.detector import Detector, DetectorOutput
from deepfake_pipeline.models.inputs import centred


@dataclass(frozen=True)
class XceptionConfig:
    """Size of the network.

    Attributes:
        image_size: side in px of the square input; published with 299.
        dropout: share dropped in training before the last layer.
    """

    image_size: int = 299
    dropout: float = 0.5


class Xception(Detector):
    """Depthwise separable convolutions in 12 residual blocks between an entry and an exit.

    Input float32 ``(N, 3, 299, 299)``, RGB in [0, 1]. 20,809,001 parameters, 20,806,952 of them in the trunk, as
    in the author's implementation in Keras.
    """

    config_class = XceptionConfig

    def __init__(self, config: XceptionConfig | None = None) -> None:
        super().__init__()
        self.config = config or XceptionConfig()
        self.features = nn.Sequential(
            *_conv_norm_relu(3, 32, stride=2),
            *_conv_norm_relu(32, 64, stride=1),
            Block(64, (128, 128), shrinks=True, starts_with_relu=False),
            Block(128, (256, 256), shrinks=True),
            Block(256, (728, 728), shrinks=True),
            *(Block(728, (728, 728, 728), shrinks=False) for _ in range(8)),
            Block(728, (728, 1024), shrinks=True),
            *_separable(1024, 1536),
            nn.ReLU(inplace=True),
            *_separable(1536, 2048),
            nn.ReLU(inplace=True),
        )
        self.drop = nn.Dropout(self.config.dropout)
        self.head = nn.Linear(2048, 1)

    def forward(self, images: Tensor) -> DetectorOutput:
        """Logit ``(N,)``, feature map ``(N, 2048, 10, 10)`` and embedding ``(N, 2048)`` at 299 px."""
        feature_map = self.features(centred(images))
        embedding = feature_map.mean((2, 3))
        return DetectorOutput(self.head(self.drop(embedding)).squeeze(1), feature_map, embedding)


class Block(nn.Module):
    """Separable convolutions, each after a ReLU, added to their input.

    Args:
        inputs: channels that come in.
        widths: channels after each convolution.
        shrinks: halve the resolution with max-pooling; the input then passes a strided 1×1 convolution.
        starts_with_relu: whether the first convolution has a ReLU before it too.
    """

    def __init__(self, inputs: int, widths: tuple[int, ...], *, shrinks: bool, starts_with_relu: bool = True) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = inputs
        for width in widths:
            # Not in place: the first one's input is also what is added.
            layers += [nn.ReLU(), *_separable(before, width)]
            before = width
        self.body = nn.Sequential(*layers[0 if starts_with_relu else 1 :])
        self.shortcut: nn.Module | None = None
        if shrinks:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, before, 1, stride=2, bias=False), nn.BatchNorm2d(before))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        if self.shortcut is None:
            return x + y
        shortcut: Tensor = self.shortcut(x)
        return shortcut + functional.max_pool2d(y, 3, stride=2, padding=1)


def _separable(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
    ]


def _conv_norm_relu(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, stride=stride, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]
