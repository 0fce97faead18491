"""Encoded pictures, repaired: alpha, EXIF, colour profile and format stay; the picture is turned upright."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps

from deepfake_pipeline.media.images import ImageLimits, decode_image
from deepfake_pipeline.tables import Reason, Refused

Image = NDArray[np.uint8]

_SAVED_AS: dict[str, dict[str, Any]] = {
    "JPEG": {"format": "JPEG", "quality": 95, "subsampling": 0},
    "PNG": {"format": "PNG"},
    "WEBP": {"format": "WEBP", "lossless": True},
    "TIFF": {"format": "TIFF"},
    "BMP": {"format": "BMP"},
}
_DEEP_PNG = slice(24, 25)  # bit depth in the header of a PNG
_BITS_PER_SAMPLE = 258  # tag of TIFF


def repair_picture(data: bytes, repair: Callable[[Image], Image], limits: ImageLimits | None = None) -> bytes:
    """Repair the pixels of an encoded picture and encode it again in its own format.

    JPEG comes out at quality 95 without chroma subsampling, WebP lossless. The alpha channel is taken over as it is,
    and a grey picture stays grey.

    Args:
        data: bytes of a JPEG, PNG, WebP, TIFF or BMP.
        repair: from RGB uint8 ``(H, W, 3)`` to the same shape.
        limits: of the picture.

    Raises:
        Refused: what :func:`media.images.decode_image` raises; ``unsupported_type`` too for 16-bit pictures, whose
            depth would be lost, for animations, whose other frames would, and for formats that are not written.
    """
    decode_image(data, limits or ImageLimits())
    with Pillow.open(io.BytesIO(data)) as source:
        _refuse_what_would_lose(source, data)
        options = dict(_SAVED_AS[str(source.format)])
        upright = ImageOps.exif_transpose(source)
        alpha = upright.convert("RGBA").getchannel("A") if upright.has_transparency_data else None
        grey = upright.mode in ("1", "L", "LA")
        pixels = np.asarray(upright.convert("RGB"), np.uint8)
        extra: dict[str, Any] = {"exif": upright.getexif().tobytes(), "icc_profile": source.info.get("icc_profile")}
    repaired = Pillow.fromarray(repair(pixels)).convert("L" if grey else "RGB")
    if alpha is not None:
        repaired.putalpha(alpha)
    target = io.BytesIO()
    repaired.save(target, **options, **{name: value for name, value in extra.items() if value})
    return target.getvalue()


def _refuse_what_would_lose(source: Pillow.Image, data: bytes) -> None:
    if source.format not in _SAVED_AS:
        raise Refused(Reason.UNSUPPORTED_TYPE, f"{source.format} is not written; use {', '.join(_SAVED_AS)}")
    if getattr(source, "n_frames", 1) > 1:
        raise Refused(Reason.UNSUPPORTED_TYPE, "an animation: all frames but one would be lost")
    bits = tuple(getattr(source, "tag_v2", {}).get(_BITS_PER_SAMPLE, ()))
    deep_png = source.format == "PNG" and data[_DEEP_PNG] == b"\x10"
    if deep_png or source.mode.startswith("I") or max(bits, default=8) > 8:
        raise Refused(Reason.UNSUPPORTED_TYPE, "16 bits a sample: half of them would be lost")
