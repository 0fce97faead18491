"""Images: decoding whatever users have to RGB, encoding crops, and the one resize.

Pillow decodes, and never OpenCV, which fills the missing part of a truncated JPEG with grey and says nothing.
Colour profiles are ignored, as the loaders of the field do.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field

from deepfake_pipeline.tables import Reason, Refused

ImageType = Literal["png", "jpeg", "webp"]
RGBImage = NDArray[np.uint8]  # height × width × 3

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "JPEG2000", "AVIF")

_BEGINNINGS: tuple[tuple[int, bytes], ...] = (  # offset and first bytes of the formats above
    (0, b"\xff\xd8\xff"),
    (0, b"\x89PNG"),
    (8, b"WEBP"),
    (0, b"BM"),
    (0, b"II*\0"),
    (0, b"MM\0*"),
    (0, b"II+\0"),
    (0, b"MM\0+"),
    (0, b"GIF8"),
    (0, b"\0\0\0\x0cjP  "),
    (0, b"\xff\x4f\xff\x51"),
    (4, b"ftypavif"),
    (4, b"ftypavis"),
)
HEAD_BYTES = 16  # enough of a file for looks_like_image

_UPRIGHT = {  # EXIF orientation → what turns the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_EXIF_ORIENTATION = 0x0112
_TIFF_BITS = 258

_OPAQUE_MODES = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr")
_ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")

_ENCODERS: dict[str, dict[str, Any]] = {
    "png": {"format": "PNG", "compress_level": 1},
    "jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    "webp": {"format": "WEBP", "lossless": True, "exact": True, "quality": 20, "method": 0},
}


class ImageLimits(BaseModel):
    """What an image file may be at most and at least."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_bytes: int = Field(64 * 2**20, ge=1, description="bytes of a file at most; larger ones are too_large")
    max_video_bytes: int = Field(
        16 * 2**30, ge=1, description="bytes of a video file at most; larger ones are too_large"
    )
    max_pixels: int = Field(
        100_000_000,
        ge=1,
        le=178_956_970,  # where Pillow itself refuses to open a file
        description="width × height at most; more is a decompression_bomb, refused before it is decoded",
    )
    min_side: int = Field(16, ge=1, le=4096, description="px of the shorter side at least; less is too_small")


_LIMITS = ImageLimits()


def looks_like_image(head: bytes) -> bool:
    """True if a file that begins so is of one of the formats that are read (or claims to be)."""
    return any(head[offset:].startswith(beginning) for offset, beginning in _BEGINNINGS)


def read_size(path: Path) -> tuple[int, int]:
    """Width and height in px of an image file by its header; no pixel is decoded.

    Raises:
        Refused: ``unreadable``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path, formats=FORMATS) as image:
                return image.size
        except Exception as error:  # as of decode_image
            raise Refused(Reason.UNREADABLE, _one_line(error)) from error


def decode_image(data: bytes, limits: ImageLimits = _LIMITS) -> RGBImage:
    """Decode an image file to RGB, uint8, height × width × 3.

    Everything is brought to 8-bit RGB: 16-bit samples are scaled (not clipped), CMYK (Adobe's inverted JPEGs
    too), palettes, grey and 1-bit are converted, the EXIF orientation is applied, and of an animation the first
    frame is used. Transparent pixels are laid on white, as a viewer shows them; the colours stored under
    transparency, which a plain conversion would bring to light, are arbitrary.

    Args:
        data: the bytes of the file.
        limits: sizes between which an image is accepted; dimensions are judged by the header, before any pixel
            is decoded.

    Raises:
        Refused: ``empty``; ``too_large`` (bytes); ``unsupported_type`` (the beginning is of none of the
            formats, or the samples are 32-bit); ``unreadable`` (begins as a known format, but not all of its
            pixels can be decoded); ``decompression_bomb`` (pixels); ``too_small``.
    """
    if not data:
        raise Refused(Reason.EMPTY, "0 bytes")
    if len(data) > limits.max_bytes:
        raise Refused(Reason.TOO_LARGE, f"{len(data):,} bytes, the limit is {limits.max_bytes:,}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _decode(data, limits)
        except Refused:
            raise
        except Image.DecompressionBombError as error:
            raise Refused(Reason.DECOMPRESSION_BOMB, str(error)) from error
        except UnidentifiedImageError as error:
            if looks_like_image(data[:HEAD_BYTES]):
                raise Refused(Reason.UNREADABLE, "damaged header") from error
            raise Refused(Reason.UNSUPPORTED_TYPE, "not an image of a known format") from error
        except Exception as error:  # damaged files make Pillow raise anything, from struct.error to MemoryError
            raise Refused(Reason.UNREADABLE, _one_line(error)) from error


def _decode(data: bytes, limits: ImageLimits) -> RGBImage:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        width, height = image.size
        if width * height > limits.max_pixels:
            raise Refused(Reason.DECOMPRESSION_BOMB, f"{width}×{height} pixels, the limit is {limits.max_pixels:,}")
        if min(width, height) < limits.min_side:
            raise Refused(Reason.TOO_SMALL, f"{width}×{height} pixels, a side has at least {limits.min_side}")
        image.load()
        turn = _UPRIGHT.get(_orientation(image))
        upright = image.transpose(turn) if turn is not None else image
        return np.array(_to_rgb(upright, _grey_bits(image)), dtype=np.uint8)


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; damaged EXIF data spoils no picture."""
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # as many kinds as there are ways to damage a directory of tags
        return 1


def _grey_bits(image: Image.Image) -> int:
    """Bits that a deep grey sample uses: 16, but 12 in a TIFF that says so."""
    tags = getattr(image, "tag_v2", {})
    return 12 if tuple(tags.get(_TIFF_BITS, ())) == (12,) else 16


def _to_rgb(image: Image.Image, grey_bits: int) -> Image.Image:
    if image.mode.startswith("I;16"):
        grey = np.asarray(image) >> (grey_bits - 8)
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.mode in _ALPHA_MODES or (image.mode in _OPAQUE_MODES and "transparency" in image.info):
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    if image.mode in _OPAQUE_MODES:
        return image.convert("RGB")
    raise Refused(Reason.UNSUPPORTED_TYPE, f"samples of kind {image.mode} have no agreed range")


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:200] or type(error).__name__


def encode_image(rgb: RGBImage, type_: ImageType) -> bytes:
    """Encode an RGB image; equal pixels give equal bytes (with one version of Pillow).

    ``png`` and ``webp`` are lossless; lossless WebP takes 0.6 of the bytes of PNG at the same speed. ``jpeg``
    is **lossy**: quality 95 without chroma subsampling (4:4:4).

    Args:
        rgb: uint8, height × width × 3.
        type_: ``png``, ``jpeg`` or ``webp``.
    """
    target = io.BytesIO()
    Image.fromarray(rgb).save(target, **_ENCODERS[type_])
    return target.getvalue()


def resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Bring an image to a size: an axis that shrinks is averaged by area, one that grows is cubic.

    The one resize by which crops come to the study's size; the aspect ratio is not kept.

    Args:
        image: uint8, height × width or height × width × 3.
        height: px of the result.
        width: px of the result.
    """
    rows, columns = image.shape[:2]
    smaller = (min(width, columns), min(height, rows))
    sized: Any = image
    if smaller != (columns, rows):
        sized = cv2.resize(sized, smaller, interpolation=cv2.INTER_AREA)
    if smaller != (width, height):
        sized = cv2.resize(sized, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(sized, np.uint8)
