"""What every degradation is: a frozen dataclass of its parameters that draws itself and changes an image."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


class Degradation(Protocol):
    """Interface of the families. The fields are numbers: they go into a recipe as JSON and come back."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @classmethod
    def draw(cls, severity: float, rng: np.random.Generator) -> Self:
        """Parameters for a severity in [1, 5]; what the severity leaves open comes from ``rng``."""
        ...

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """A new image of the same shape; what differs from pixel to pixel comes from ``rng``.

        Args:
            image: RGB uint8 (H, W, 3), C-contiguous; left as it is.
            rng: a generator that the caller uses for nothing else.
        """
        ...
