"""MesoInception-4 (Afchar et al., MesoNet, WIFS 2018, arXiv 1809.00888), Meso-4 with wider views."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepfake_pipeline.models.detector import Detector, DetectorOutput


@dataclass(frozen=True)
class MesoInception4Config:
    """Size of the network.

    Attributes:
        image_size: side in px of the square input, a multiple of 32; published with 256.
        dropout: share dropped in training before each dense layer.
    """

    image_size: int = 256
    dropout: float = 0.5


class MesoInception4(Detector):
    """Meso-4 whose first two convolutions are modules of four parallel branches with growing dilation.

    Input float32 ``(N, 3, 256, 256)``, RGB in [0, 1]. 28,615 parameters. As in Meso-4, the last feature map is
    flattened channels-last and batch normalisation has an epsilon of 1e-3: so the authors' weights fit.
    """

    config_class = MesoInception4Config

    def __init__(self, config: MesoInception4Config | None = None) -> None:
        super().__init__()
        self.config = config or MesoInception4Config()
        self.features = nn.Sequential(
            *_normalised(Inception(3, (1, 4, 4, 2)), 11, pool=2),
            *_normalised(Inception(11, (2, 4, 4, 2)), 12, pool=2),
            *_normalised(nn.Sequential(nn.Conv2d(12, 16, 5, padding="same"), nn.ReLU(inplace=True)), 16, pool=2),
            *_normalised(nn.Sequential(nn.Conv2d(16, 16, 5, padding="same"), nn.ReLU(inplace=True)), 16, pool=4),
        )
        self.drop = nn.Dropout(self.config.dropout)
        self.dense = nn.Sequential(nn.Linear(16 * (self.image_size // 32) ** 2, 16), nn.LeakyReLU(0.1))
        self.head = nn.Linear(16, 1)

    def forward(self, images: Tensor) -> DetectorOutput:
        """Logit ``(N,)``, feature map ``(N, 16, 8, 8)`` and embedding ``(N, 16)`` at 256 px."""
        feature_map = self.features(images)
        flat = feature_map.permute(0, 2, 3, 1).flatten(1)
        embedding = self.dense(self.drop(flat))
        return DetectorOutput(self.head(self.drop(embedding)).squeeze(1), feature_map, embedding)


class Inception(nn.Module):
    """A 1×1 convolution beside three that are followed by 3×3 ones of dilation 1, 2 and 3; ReLU after each.

    Args:
        inputs: channels that come in.
        widths: channels of the four branches, which are joined in this order.
    """

    def __init__(self, inputs: int, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        point, *wide = widths
        # This order is that of the layers in the authors' files.
        self.reduce = nn.ModuleList(nn.Conv2d(inputs, width, 1) for width in wide)
        self.point = nn.Conv2d(inputs, point, 1)
        self.spread = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation) for dilation, width in enumerate(wide, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        branches = [functional.relu(self.point(x))]
        for reduce, spread in zip(self.reduce, self.spread, strict=True):
            branches.append(functional.relu(spread(functional.relu(reduce(x)))))
        return torch.cat(branches, dim=1)


def _normalised(module: nn.Module, outputs: int, pool: int) -> list[nn.Module]:
    return [module, nn.BatchNorm2d(outputs, eps=1e-3), nn.MaxPool2d(pool)]
