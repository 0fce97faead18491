"""Images to degrade: photographs that come with scikit-image, rendered faces, and textures with a natural spectrum."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from skimage import data

from deepfake_pipeline.media.render import render_face

Image = NDArray[np.uint8]


@cache
def face(size: int = 224) -> Image:
    """The astronaut's head."""
    return _square(data.astronaut()[:224, 112:336], size)


@cache
def texture(seed: int, size: int = 224) -> Image:
    """Colour noise whose power falls with the square of the frequency."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.normal(size=(3, size, size))) / frequency
    planes = np.fft.irfft2(spectrum, s=(size, size))
    planes = 0.7 * planes[:1] + 0.3 * planes  # channels of a photograph resemble one another
    planes /= planes.std(axis=(1, 2), keepdims=True)
    return np.clip(125 + 45 * planes, 0, 255).astype(np.uint8).transpose(1, 2, 0).copy()


def pictures(size: int = 224) -> list[Image]:
    cat, cup = data.chelsea()[20:276, 100:356], data.coffee()[50:306, 200:456]
    return [face(size), _square(cat, size), _square(cup, size), texture(0, size), texture(1, size)]


@cache
def rendered(count: int = 6) -> tuple[Image, ...]:
    """Faces of different rendered people, 160 px."""
    return tuple(render_face(identity, 0).image for identity in range(count))


def _square(image: Image, size: int) -> Image:
    import cv2

    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
