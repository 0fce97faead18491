"""Small pictures and files for the tests of this room."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from deepfake_pipeline.media.images import RGBImage


def smooth(seed: int, height: int = 48, width: int = 40) -> RGBImage:
    """A picture of soft coloured blobs: it survives JPEG, and no two seeds look alike."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def encoded(image: RGBImage | Image.Image, format_: str, **options: Any) -> bytes:
    """The image as a file of Pillow's ``format_``."""
    target = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(target, format_, **options)
    return target.getvalue()


def write_picture(path: Path, seed: int, format_: str = "PNG", **options: Any) -> Path:
    """Write :func:`smooth` of a seed, making the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(smooth(seed), format_, **options))
    return path


def png_of_size(width: int, height: int, idat: bytes = b"") -> bytes:
    """A PNG whose header claims a size, with any (or no) pixels in it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", idat) + chunk(b"IEND", b"")


def png_bomb(side: int = 30_000) -> bytes:
    """A valid black PNG of side × side pixels (a multiple of 100) in about 3 MB."""
    rows = bytes(100 * (1 + 3 * side))
    packer = zlib.compressobj(9)
    first = packer.compress(rows) + packer.flush(zlib.Z_FULL_FLUSH)
    adler = (len(rows) * (side // 100) % 65521) << 16 | 1  # of that many zeros
    return png_of_size(side, side, first + first[2:] * (side // 100 - 1) + b"\3\0" + adler.to_bytes(4, "big"))
