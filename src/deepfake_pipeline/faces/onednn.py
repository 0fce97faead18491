"""The networks of MTCNN in the blocked layout of oneDNN, for CPUs: the same numbers in two thirds of the time.

Outside that layout, pooling and rectifying 10 or 28 channels, which fill no vector unit, take as long as convolving.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.mkldnn import to_mkldnn

from deepfake_pipeline.faces.mtcnn import ONet, PNet, RNet


def is_available() -> bool:
    """Whether this build of torch has oneDNN."""
    return torch.backends.mkldnn.is_available()


class BlockedPNet(nn.Module):
    """:class:`PNet` with both heads in one convolution; input and output are the same."""

    def __init__(self, network: PNet) -> None:
        super().__init__()
        heads = nn.Conv2d(network.box.in_channels, 1 + network.box.out_channels, 1).requires_grad_(False)
        heads.weight[:1], heads.bias[:1] = (part[1:] - part[:1] for part in (network.face.weight, network.face.bias))
        heads.weight[1:], heads.bias[1:] = network.box.weight, network.box.bias
        self.features = _blocked(nn.Sequential(*network.features, heads))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`PNet`."""
        outputs = self.features(images.to_mkldnn()).to_dense()
        return outputs[:, 0], outputs[:, 1:]


class BlockedFeatures(nn.Module):
    """Convolutions, rectifiers and pools: float32 ``(N, C, H, W)`` in, and the same that they give out."""

    def __init__(self, features: nn.Sequential) -> None:
        super().__init__()
        self.features = _blocked(features)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        return self.features(images.to_mkldnn()).to_dense()


def blocked(pnet: PNet, rnet: RNet, onet: ONet) -> tuple[nn.Module, nn.Module, nn.Module]:
    """The three networks so laid out; of the last two the convolutional part, in place."""
    rnet.features, onet.features = BlockedFeatures(rnet.features), BlockedFeatures(onet.features)
    return BlockedPNet(pnet), rnet, onet


def _blocked(layers: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(*(to_mkldnn(layer) for layer in layers))
