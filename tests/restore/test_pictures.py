"""Encoded pictures keep what is not repaired, and are refused where something would be lost."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from deepfake_pipeline.restore.pictures import repair_picture
from deepfake_pipeline.tables import Refused


def pixels(height=48, width=64, channels=3):
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, channels), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def encoded(image, format_, **options):
    target = io.BytesIO()
    image.save(target, format=format_, **options)
    return target.getvalue()


def opened(data):
    return Image.open(io.BytesIO(data))


def inverted(image):
    return 255 - image


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "TIFF", "BMP"])
def test_lossless_formats_hold_the_repaired_pixels(format_):
    image = pixels()
    data = encoded(Image.fromarray(image), format_, **({"lossless": True} if format_ == "WEBP" else {}))
    result = opened(repair_picture(data, inverted))
    assert result.format == format_
    assert np.array_equal(np.asarray(result), 255 - image)


def test_a_jpeg_stays_a_jpeg():
    data = encoded(Image.fromarray(pixels()), "JPEG", quality=95)
    result = opened(repair_picture(data, inverted))
    assert result.format == "JPEG"
    assert np.abs(np.asarray(result).astype(int) - (255 - np.asarray(opened(data)).astype(int))).mean() < 2


def test_alpha_is_taken_over():
    image = pixels(channels=4)
    result = np.asarray(opened(repair_picture(encoded(Image.fromarray(image, "RGBA"), "PNG"), inverted)))
    assert np.array_equal(result[..., 3], image[..., 3])
    assert np.array_equal(result[..., :3], 255 - image[..., :3])


def test_grey_stays_grey():
    grey = pixels()[..., 0]
    result = opened(repair_picture(encoded(Image.fromarray(grey), "PNG"), inverted))
    assert result.mode == "L"
    assert np.array_equal(np.asarray(result), 255 - grey)


def test_exif_and_profile_stay_and_the_picture_stands_upright():
    image = Image.fromarray(pixels())
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    exif[0x010E] = "a description"
    data = encoded(image, "JPEG", exif=exif.tobytes(), icc_profile=b"a profile")
    seen = []
    result = opened(repair_picture(data, lambda upright: seen.append(upright.shape) or upright))
    assert seen == [(64, 48, 3)]
    assert result.size == (48, 64)
    assert result.getexif()[0x010E] == "a description"
    assert result.getexif().get(0x0112, 1) == 1
    assert result.info["icc_profile"] == b"a profile"


def deep_png():
    done, data = cv2.imencode(".png", pixels().astype(np.uint16) * 257)
    assert done
    return data.tobytes()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (deep_png(), "16 bits"),
        (encoded(Image.fromarray(pixels()[..., 0].astype(np.uint16) * 257), "PNG"), "16 bits"),
        (encoded(Image.fromarray(pixels()[..., 0].astype(np.uint16) * 257), "TIFF"), "16 bits"),
        (
            encoded(Image.fromarray(pixels()), "PNG", save_all=True, append_images=[Image.fromarray(255 - pixels())]),
            "animation",
        ),
        (encoded(Image.fromarray(pixels()), "GIF"), "GIF is not written"),
        (b"no picture", "not an image"),
        (b"", "0 bytes"),
    ],
    ids=["deep", "deep grey", "deep tiff", "animation", "gif", "text", "empty"],
)
def test_what_would_lose_something_is_refused(data, why):
    with pytest.raises(Refused) as caught:
        repair_picture(data, inverted)
    assert why in caught.value.detail
