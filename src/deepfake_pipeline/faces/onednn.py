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
    return bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


class BlockedPNet(nn.Module):
    """:class:`PNet` with both heads in one convolution; input and output are the same."""

    def __init__(self, network: PNet) -> None:
        super().__init__()
        heads = nn.Conv2d(network.box.in_channels, 1 + network.box.out_channels, 1)
        state = {}
        for name, box in network.box.state_dict().items():
            face = network.face.state_dict()[name]
            state[name] = torch.cat([face[1:] - face[:1], box])
        heads.load_state_dict(state)
        self.features = _blocked(nn.Sequential(*network.features, heads.eval().requires_grad_(False)))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`PNet`."""
        outputs = self.features(images.to_mkldnn()).to_dense()
        return outputs[:, 0], outputs[:, 1:]


class BlockedFeatures(nn.Sequential):
    """Convolutions, rectifiers and pools: float32 ``(N, C, H, W)`` in, and the same that they give out."""

    def __init__(self, features: nn.Sequential) -> None:
        super().__init__(_blocked(features))

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        blocked: Tensor = self[0](images.to_mkldnn())
        return blocked.to_dense()


def blocked(pnet: PNet, rnet: RNet, onet: ONet) -> tuple[nn.Module, nn.Module, nn.Module]:
    """The three networks so laid out; of the last two the convolutional part, in place."""
    rnet.features, onet.features = BlockedFeatures(rnet.features), BlockedFeatures(onet.features)
    return BlockedPNet(pnet), rnet, onet


def _blocked(layers: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(*(to_mkldnn(layer) for layer in layers))  # type: ignore[no-untyped-call]
