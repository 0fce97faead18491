import io
import resource
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from pydantic import ValidationError
from skimage.metrics import peak_signal_noise_ratio
from skimage.transform import downscale_local_mean

from deepfake_pipeline.media.images import (
    ImageLimits,
    decode_image,
    encode_image,
    looks_like_image,
    resize,
)
from deepfake_pipeline.tables import Reason, Refused
from tests.media.pictures import encoded, png_bomb, png_of_size, smooth

LOSSY = {"JPEG", "AVIF"}
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "JPEG2000", "AVIF")


def refusal(data: bytes, **limits: int) -> Refused:
    with pytest.raises(Refused) as caught:
        decode_image(data, ImageLimits(**limits))
    return caught.value


def grey_ramp() -> np.ndarray:
    """16-bit grey, 32 × 64, from black to white along each row."""
    return np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (32, 1))


class TestWhatIsRead:
    @pytest.mark.parametrize("format_", FORMATS)
    def test_every_format_gives_the_pixels(self, format_):
        rgb = smooth(1)
        options = {"lossless": True} if format_ == "WEBP" else {}
        decoded = decode_image(encoded(rgb, format_, **options))
        assert decoded.shape == rgb.shape and decoded.dtype == np.uint8
        if format_ in LOSSY | {"GIF"}:
            assert peak_signal_noise_ratio(rgb, decoded) > 25
        else:
            assert np.array_equal(decoded, rgb)

    def test_grey_and_one_bit_become_three_equal_channels(self):
        grey = smooth(2)[:, :, 0]
        decoded = decode_image(encoded(Image.fromarray(grey), "PNG"))
        assert np.array_equal(decoded, np.repeat(grey[:, :, None], 3, axis=2))
        bits = decode_image(encoded(Image.fromarray(grey).convert("1"), "PNG"))
        assert set(np.unique(bits)) == {0, 255}

    @pytest.mark.parametrize("format_", ["PNG", "TIFF"])
    def test_sixteen_bit_grey_is_scaled_and_not_clipped(self, format_):
        decoded = decode_image(encoded(Image.fromarray(grey_ramp()), format_))
        assert np.array_equal(decoded[..., 0], grey_ramp() // 256)
        assert len(np.unique(decoded)) == 64

    def test_twelve_bit_grey_uses_its_own_range(self):
        rows, columns = 16, 16
        samples = [min(4095, 16 * n) for n in range(rows * columns)]
        packed = b"".join(
            bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255]) for a, b in zip(samples[::2], samples[1::2], strict=True)
        )
        tags = [(256, columns), (257, rows), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, rows)]
        tags.append((279, len(packed)))
        directory = len(tags).to_bytes(2, "little") + b"".join(
            tag.to_bytes(2, "little") + b"\4\0\1\0\0\0" + value.to_bytes(4, "little") for tag, value in tags
        )
        start = 8 + len(packed)
        data = b"II*\0" + start.to_bytes(4, "little") + packed + directory + bytes(4)
        decoded = decode_image(data, ImageLimits())
        assert decoded[..., 0].ravel().tolist() == [value // 16 for value in samples]

    def test_sixteen_bit_colour_is_scaled(self):
        row = b"\0" + b"".join((257 * value).to_bytes(2, "big") * 3 for value in range(0, 256, 8))
        data = png_of_size(32, 32, zlib.compress(row * 32)).replace(b"\x08\x02\0\0\0", b"\x10\x02\0\0\0", 1)
        header_end = data.index(b"IDAT") - 8
        header = data[12:header_end]
        data = data[:header_end] + zlib.crc32(header).to_bytes(4, "big") + data[header_end + 4 :]
        assert decode_image(data)[0, :, 1].tolist() == list(range(0, 256, 8))

    def test_cmyk_tiff_by_hand(self):
        ink = np.zeros((20, 20, 4), np.uint8)
        ink[:10] = (255, 0, 0, 0)  # cyan
        ink[10:] = (0, 0, 0, 128)  # half black
        decoded = decode_image(encoded(Image.fromarray(ink, "CMYK"), "TIFF"))
        assert decoded[0, 0].tolist() == [0, 255, 255]
        assert decoded[19, 0].tolist() == [127, 127, 127]

    def test_cmyk_jpeg_which_adobe_inverts(self):
        rgb = smooth(3, 64, 64)
        data = encoded(Image.fromarray(rgb).convert("CMYK"), "JPEG", quality=95)
        assert b"Adobe" in data
        assert peak_signal_noise_ratio(rgb, decode_image(data)) > 25

    def test_palette(self):
        image = Image.fromarray(smooth(4)).convert("P", palette=Image.Palette.ADAPTIVE)
        assert np.array_equal(decode_image(encoded(image, "PNG")), np.asarray(image.convert("RGB")))

    def test_transparent_palette_entry_is_white(self):
        image = Image.new("P", (20, 20), 1)
        image.putpalette([0, 0, 0, 10, 20, 30])
        image.putpixel((3, 4), 0)
        decoded = decode_image(encoded(image, "PNG", transparency=0))
        assert decoded[4, 3].tolist() == [255, 255, 255]
        assert decoded[0, 0].tolist() == [10, 20, 30]

    @pytest.mark.parametrize("format_", ["PNG", "WEBP", "TIFF"])
    def test_alpha_is_laid_on_white(self, format_):
        rgba = np.zeros((24, 24, 4), np.uint8)
        rgba[:8] = (200, 100, 0, 255)
        rgba[8:16] = (200, 100, 0, 0)
        rgba[16:] = (200, 100, 0, 51)  # a fifth
        options = {"lossless": True, "exact": True} if format_ == "WEBP" else {}
        decoded = decode_image(encoded(Image.fromarray(rgba), format_, **options))
        assert decoded[0, 0].tolist() == [200, 100, 0]
        assert decoded[8, 0].tolist() == [255, 255, 255]
        assert np.allclose(decoded[16, 0], [0.8 * 255 + 40, 0.8 * 255 + 20, 0.8 * 255], atol=1)

    def test_grey_with_a_transparent_value(self):
        grey = np.full((20, 20), 7, np.uint8)
        grey[0, 0] = 9
        decoded = decode_image(encoded(Image.fromarray(grey), "PNG", transparency=9))
        assert decoded[0, 0].tolist() == [255] * 3 and decoded[1, 1].tolist() == [7] * 3

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("format_", ["PNG", "TIFF", "JPEG"])
    def test_exif_orientation_is_applied(self, orientation, format_):
        upright = smooth(5, 64, 48)
        stored = {
            1: upright,
            2: upright[:, ::-1],
            3: upright[::-1, ::-1],
            4: upright[::-1],
            5: upright.transpose(1, 0, 2),
            6: np.rot90(upright),
            7: upright[::-1, ::-1].transpose(1, 0, 2),
            8: np.rot90(upright, -1),
        }[orientation]
        exif = Image.Exif()
        exif[0x0112] = orientation
        decoded = decode_image(encoded(np.ascontiguousarray(stored), format_, exif=exif.tobytes()))
        assert decoded.shape == upright.shape
        assert np.abs(decoded.astype(int) - upright).mean() < (4 if format_ == "JPEG" else 1e-9)

    @pytest.mark.parametrize(
        "exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\x05"]
    )
    def test_damaged_exif_spoils_nothing_and_warns_nobody(self, exif):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert decode_image(encoded(smooth(6), "JPEG", exif=exif)).shape == smooth(6).shape

    @pytest.mark.parametrize("format_", ["GIF", "PNG", "WEBP", "TIFF"])
    def test_first_frame_of_an_animation(self, format_):
        frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "lime", "blue")]
        data = encoded(frames[0], format_, save_all=True, append_images=frames[1:])
        assert np.allclose(decode_image(data)[16, 16], [255, 0, 0], atol=2)

    def test_colour_profiles_are_ignored(self):
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        assert np.array_equal(decode_image(encoded(smooth(7), "PNG", icc_profile=profile)), smooth(7))

    def test_the_result_can_be_written_to(self):
        decode_image(encoded(smooth(8), "PNG"))[0, 0] = 0


class TestWhatIsRefused:
    def test_empty(self):
        assert refusal(b"").reason is Reason.EMPTY

    def test_text(self):
        assert refusal(b"This is not a picture.\n" * 9).reason is Reason.UNSUPPORTED_TYPE

    def test_image_formats_that_are_not_read(self):
        assert refusal(encoded(smooth(1), "PPM")).reason is Reason.UNSUPPORTED_TYPE
        assert refusal(encoded(smooth(1), "ICNS")).reason is Reason.UNSUPPORTED_TYPE

    @pytest.mark.parametrize("image", [Image.new("F", (32, 32), 0.5), Image.new("I", (32, 32), 70_000)])
    def test_32_bit_samples(self, image):
        assert refusal(encoded(image, "TIFF")).reason is Reason.UNSUPPORTED_TYPE

    @pytest.mark.parametrize("format_", FORMATS)
    @pytest.mark.parametrize("share", [0.2, 0.5, 0.95])
    def test_truncated(self, format_, share):
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        data = encoded(noise, format_)
        assert refusal(data[: int(share * len(data))]).reason is Reason.UNREADABLE

    @pytest.mark.parametrize("size", [(0, 0), (0, 40), (40, 0)])
    def test_no_pixels(self, size):
        assert refusal(png_of_size(*size)).reason is Reason.UNREADABLE

    @pytest.mark.parametrize("size", [(1, 1), (15, 400), (400, 15)])
    def test_too_small(self, size):
        assert refusal(encoded(Image.new("RGB", size), "PNG")).reason is Reason.TOO_SMALL

    def test_too_many_bytes(self):
        data = encoded(smooth(1), "BMP")
        assert refusal(data, max_bytes=len(data) - 1).reason is Reason.TOO_LARGE
        assert decode_image(data, ImageLimits(max_bytes=len(data))).shape == smooth(1).shape

    def test_a_bomb_costs_no_memory(self):
        assert (decode_image(png_bomb(300)) == 0).all()
        bomb = png_bomb()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        refused = refusal(bomb)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert refused.reason is Reason.DECOMPRESSION_BOMB
        assert "30000×30000" in refused.detail or "900000000" in refused.detail
        assert grown < 100_000  # KiB; its pixels are 2.7 GB

    def test_pixels_at_the_limit(self):
        data = encoded(smooth(1, 20, 30), "PNG")
        assert decode_image(data, ImageLimits(max_pixels=600)).shape == (20, 30, 3)
        assert refusal(data, max_pixels=599).reason is Reason.DECOMPRESSION_BOMB

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_damage_is_a_refusal_or_a_picture(self, data):
        format_ = data.draw(st.sampled_from(FORMATS))
        file = bytearray(encoded(smooth(9, 32, 32), format_))
        for _ in range(data.draw(st.integers(1, 6))):
            file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                decoded = decode_image(bytes(file), ImageLimits(max_pixels=10**6))
            except Refused as refused:
                assert "\n" not in str(refused)
            else:
                assert decoded.ndim == 3 and decoded.shape[2] == 3 and decoded.dtype == np.uint8

    def test_wrong_limits(self):
        with pytest.raises(ValidationError):
            ImageLimits(min_side=0)
        with pytest.raises(ValidationError):
            ImageLimits(max_pixel=5)  # type: ignore[call-arg]


def test_looks_like_image():
    assert all(looks_like_image(encoded(smooth(1), format_)[:16]) for format_ in FORMATS)
    assert not looks_like_image(b"hello")
    assert not looks_like_image(b"\0\0\0\x18ftypmp42\0\0\0\0")  # a video


class TestEncode:
    @pytest.mark.parametrize("type_", ["png", "webp"])
    def test_lossless(self, type_):
        noise = np.random.default_rng(1).integers(0, 256, (33, 47, 3), dtype=np.uint8)
        for image in (noise, smooth(1), np.zeros((16, 16, 3), np.uint8)):
            assert np.array_equal(decode_image(encode_image(image, type_)), image)

    def test_jpeg_is_quality_95_in_444(self):
        data = encode_image(smooth(1), "jpeg")
        with Image.open(io.BytesIO(data)) as image:
            assert [component[1:3] for component in image.layer] == [(1, 1)] * 3
            reference = encoded(smooth(1), "JPEG", quality=95, subsampling=0)
            with Image.open(io.BytesIO(reference)) as other:
                assert image.quantization == other.quantization
        assert 35 < peak_signal_noise_ratio(smooth(1), decode_image(data)) < 100

    @pytest.mark.parametrize("type_", ["png", "jpeg", "webp"])
    def test_the_same_pixels_give_the_same_bytes(self, type_):
        image = smooth(2)
        assert encode_image(image, type_) == encode_image(np.asfortranarray(image), type_)


class TestResize:
    def test_shrinking_averages_areas(self):
        image = smooth(1, 64, 96)
        expected = downscale_local_mean(image.astype(float), (4, 3, 1))
        assert np.abs(resize(image, 16, 32) - expected).max() <= 1

    def test_same_size_changes_nothing(self):
        assert np.array_equal(resize(smooth(1), 48, 40), smooth(1))

    def test_growing_keeps_smooth_pictures(self):
        large = smooth(1, 96, 96)
        assert peak_signal_noise_ratio(large, resize(resize(large, 48, 48), 96, 96)) > 35

    @settings(max_examples=50, deadline=None)
    @given(*[st.integers(1, 80)] * 4, st.integers(0, 255))
    def test_any_size_from_any_size_and_flat_stays_flat(self, height, width, rows, columns, value):
        resized = resize(np.full((rows, columns, 3), value, np.uint8), height, width)
        assert resized.shape == (height, width, 3) and resized.dtype == np.uint8
        assert (resized == value).all()

    def test_one_axis_up_and_one_down(self):
        ramp = np.repeat(np.arange(0, 200, 2, dtype=np.uint8)[:, None], 10, axis=1)
        resized = resize(ramp, 50, 20)
        assert np.abs(resized[:, 0].astype(int) - np.arange(1, 200, 4)).max() <= 1
        assert (resized == resized[:, :1]).all()
