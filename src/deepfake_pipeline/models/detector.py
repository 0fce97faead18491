"""What every forgery detector is: images in, logit, feature map and embedding out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn


class DetectorOutput(NamedTuple):
    """Output of a detector for ``N`` faces.

    Attributes:
        logit: ``(N,)``, log-odds that the face is forged; its sigmoid is ``fake_probability``.
        feature_map: ``(N, C, h, w)``, the last one that keeps a position, for explanations.
        embedding: ``(N, D)``, what the last layer sees.
    """

    logit: Tensor
    feature_map: Tensor
    embedding: Tensor


class Detector(nn.Module, ABC):
    """A network that judges faces.

    Attributes:
        config_class: frozen dataclass of everything needed to build the network again.
        config: the one that this network was built with.
    """

    config_class: ClassVar[type]
    config: Any

    @property
    def image_size(self) -> int:
        """Side in px of the square input."""
        return int(self.config.image_size)

    @abstractmethod
    def forward(self, images: Tensor) -> DetectorOutput:
        """Judge ``images``, float32 ``(N, 3, image_size, image_size)``, RGB in [0, 1]."""
