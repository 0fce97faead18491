"""Meso-4 (Afchar et al., MesoNet, WIFS 2018, arXiv 1809.00888), the detector of paper 003."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from deepfake_pipeline.models.detector import Detector, DetectorOutput


@dataclass(frozen=True)
class Meso4Config:
    """Size of the network.

    Attributes:
        image_size: side in px of the square input, a multiple of 32; published with 256.
        dropout: share dropped in training before each dense layer.
    """

    image_size: int = 256
    dropout: float = 0.5


class Meso4(Detector):
    """Four convolutions with batch normalisation and pooling, then a dense layer of 16.

    Input float32 ``(N, 3, 256, 256)``, RGB in [0, 1]. 27,977 parameters. The last feature map is
    flattened channels-last and batch normalisation has an epsilon of 1e-3: so the authors' weights fit.
    """

    config_class = Meso4Config

    def __init__(self, config: Meso4Config | None = None) -> None:
        super().__init__()
        self.config = config or Meso4Config()
        self.features = nn.Sequential(
            *_stage(3, 8, kernel=3, pool=2),
            *_stage(8, 8, kernel=5, pool=2),
            *_stage(8, 16, kernel=5, pool=2),
            *_stage(16, 16, kernel=5, pool=4),
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


def _stage(inputs: int, outputs: int, kernel: int, pool: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, padding="same"),
        nn.ReLU(inplace=True),
        nn.BatchNorm2d(outputs, eps=1e-3),
        nn.MaxPool2d(pool),
    ]
