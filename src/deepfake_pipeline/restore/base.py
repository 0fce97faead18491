"""What every repair is: a frozen dataclass of its parameters that changes an image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Plane = NDArray[np.float32]


class Repair(ABC):
    """Interface of the repairs. They are blind: they see the degraded image and nothing else.

    Attributes:
        whole: it judges a part of an image by the whole: of a patch it makes something else.
    """

    whole: ClassVar[bool] = False

    def apply(self, image: Image) -> Image:
        """A new image of the same shape, the same bytes for the same image.

        Args:
            image: RGB uint8 (H, W, 3), any size and aspect; left as it is.

        Raises:
            ValueError: not such an image, or one without pixels.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
            raise ValueError(f"expected RGB uint8 (H, W, 3), not {image.dtype} {image.shape}")
        return self._repair(np.ascontiguousarray(image))

    @abstractmethod
    def _repair(self, image: Image) -> Image:
        """As :meth:`apply`; the image is checked and C-contiguous."""


@dataclass(frozen=True)
class Identity(Repair):
    """Nothing: what every other repair has to beat, and the right one for a face that nothing ails."""

    def _repair(self, image: Image) -> Image:
        return image.copy()


def rounded(values: NDArray[np.floating]) -> Image:
    """The nearest levels in [0, 255], as uint8."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
