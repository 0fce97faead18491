"""A convolutional stem and a transformer encoder: what paper 004 names as future work.

The stem is that of Xiao et al., "Early convolutions help transformers see better", NeurIPS 2021 (arXiv 2106.14881),
the encoder that of Dosovitskiy et al., ICLR 2021 (arXiv 2010.11929); the size is our choice.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepfake_pipeline.models.detector import Detector, DetectorOutput
from deepfake_pipeline.models.inputs import centred


@dataclass(frozen=True)
class HybridConfig:
    """Size of the network.

    Attributes:
        image_size: side in px of the square input, a multiple of 16.
        stem: channels after each halving of the resolution; a 1×1 convolution brings the last to ``width``.
        width: numbers a token, a multiple of ``heads``.
        heads: of the attention.
        depth: blocks of the encoder.
        dropout: share dropped in training of what attention and dense layers add.
    """

    image_size: int = 128
    stem: tuple[int, ...] = (32, 64, 96, 144)
    width: int = 160
    heads: int = 5
    depth: int = 4
    dropout: float = 0.1


class Hybrid(Detector):
    """Four strided convolutions make 8×8 tokens, a transformer compares them, their mean is judged.

    Input float32 ``(N, 3, 128, 128)``, RGB in [0, 1]. 1,059,841 parameters.
    """

    config_class = HybridConfig

    def __init__(self, config: HybridConfig | None = None) -> None:
        super().__init__()
        self.config = config or HybridConfig()
        width = self.config.width
        layers: list[nn.Module] = []
        inputs = 3
        for outputs in self.config.stem:
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
            inputs = outputs
        self.stem = nn.Sequential(*layers, nn.Conv2d(inputs, width, 1))
        side = self.image_size // 2 ** len(self.config.stem)
        self.position = nn.Parameter(torch.empty(1, side * side, width))
        nn.init.trunc_normal_(self.position, std=0.02)
        self.encoder = nn.Sequential(
            *(EncoderBlock(width, self.config.heads, self.config.dropout) for _ in range(self.config.depth)),
            nn.LayerNorm(width),
        )
        self.head = nn.Linear(width, 1)

    def forward(self, images: Tensor) -> DetectorOutput:
        """Logit ``(N,)``, feature map ``(N, 160, 8, 8)`` and embedding ``(N, 160)`` at 128 px."""
        grid = self.stem(centred(images))
        tokens = self.encoder(grid.flatten(2).transpose(1, 2) + self.position)
        feature_map = tokens.transpose(1, 2).unflatten(2, grid.shape[2:])
        embedding = feature_map.mean((2, 3))
        return DetectorOutput(self.head(embedding).squeeze(1), feature_map, embedding)


class EncoderBlock(nn.Module):
    """Attention and two dense layers, each after layer normalisation and added to its input."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.joined = nn.Linear(width, width)
        self.norm_dense = nn.LayerNorm(width)
        self.dense = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + functional.dropout(self._attend(self.norm_attention(tokens)), self.dropout, self.training)
        return tokens + functional.dropout(self.dense(self.norm_dense(tokens)), self.dropout, self.training)

    def _attend(self, tokens: Tensor) -> Tensor:
        # Plain products: for so few tokens torch's fused attention takes twice as long on a CPU.
        heads = self.query_key_value(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = heads.unbind()
        weights = (query * query.shape[-1] ** -0.5 @ key.transpose(2, 3)).softmax(dim=-1)
        joined: Tensor = self.joined((weights @ value).transpose(1, 2).flatten(2))
        return joined
