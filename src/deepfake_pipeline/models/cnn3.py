"""The three-layer convolutional detector of paper 004 (Karthik Kumar et al., IJCRT)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from deepfake_pipeline.models.detector import Detector, DetectorOutput


@dataclass(frozen=True)
class Cnn3Config:
    """Size of the network.

    Attributes:
        image_size: side in px of the square input; the paper has 224.
        dropout: share of the dense layer's outputs dropped in training; the paper names none.
    """

    image_size: int = 224
    dropout: float = 0.0


class Cnn3(Detector):
    """Three 3×3 convolutions (32, 64, 128), each with ReLU and 2×2 max-pooling, 512 dense, a logit.

    Input float32 ``(N, 3, 224, 224)``, RGB in [0, 1]. 44,396,609 parameters at 224 px, nearly all of them in
    the dense layer. The paper does not say how borders are treated: convolutions are unpadded, the default of
    the framework that it uses.
    """

    config_class = Cnn3Config

    def __init__(self, config: Cnn3Config | None = None) -> None:
        super().__init__()
        self.config = config or Cnn3Config()
        side = self.image_size
        layers: list[nn.Module] = []
        for inputs, outputs in ((3, 32), (32, 64), (64, 128)):
            layers += [nn.Conv2d(inputs, outputs, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
            side = (side - 2) // 2
        self.features = nn.Sequential(*layers)
        self.dense = nn.Sequential(
            nn.Flatten(),
            nn.Linear(128 * side * side, 512),
            nn.ReLU(inplace=True),
            nn.Dropout(self.config.dropout),
        )
        self.head = nn.Linear(512, 1)

    def forward(self, images: Tensor) -> DetectorOutput:
        """Logit ``(N,)``, feature map ``(N, 128, 26, 26)`` and embedding ``(N, 512)`` at 224 px."""
        feature_map = self.features(images)
        embedding = self.dense(feature_map)
        return DetectorOutput(self.head(embedding).squeeze(1), feature_map, embedding)
