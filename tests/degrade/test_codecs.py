"""WebP, JPEG2000, its stream through a radio channel, H.264 and the detour over a small image."""

import io
from unittest import mock

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from scipy.stats import binom
from skimage.measure import block_reduce

from deepfake_pipeline.degrade import jpeg2000
from deepfake_pipeline.degrade.compression import Webp
from deepfake_pipeline.degrade.jpeg2000 import FastFading, Jpeg2000, bit_error_rate, encoded, through_channel
from deepfake_pipeline.degrade.resolution import DownscaleUpscale
from deepfake_pipeline.degrade.severity import STEPS
from deepfake_pipeline.degrade.video import H264, OPTIONS
from deepfake_pipeline.metrics.fidelity import psnr
from tests.degrade.pictures import face, pictures, texture

DATA, END = b"\xff\x93", b"\xff\xd9"


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("quality", STEPS["webp"].values)
def test_webp_is_one_round_trip_of_pillow(quality: float) -> None:
    stream = io.BytesIO()
    Pillow.fromarray(face()).save(stream, "WEBP", quality=int(quality), method=4)
    assert np.array_equal(Webp(int(quality)).apply(face(), rng()), np.asarray(Pillow.open(stream)))


@pytest.mark.parametrize("rate", [*STEPS["jpeg2000"].values, 2.5])
@pytest.mark.parametrize("size", [64, 160, 224])
def test_jpeg2000_takes_the_bits_that_it_may_and_opencv_reads_the_same(rate: float, size: int) -> None:
    image = texture(0, size)
    stream = encoded(image, rate)
    packets = len(stream) - stream.index(DATA) - len(DATA) - len(END)
    assert stream.endswith(END)
    assert 8 * packets / size**2 == pytest.approx(rate, rel=0.08, abs=8 * 16 / size**2)  # whole coding passes
    read = cv2.imdecode(np.frombuffer(stream, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert read is not None
    assert np.array_equal(Jpeg2000(rate).apply(image, rng()), read)


def test_jpeg2000_gives_more_for_the_same_bits_than_jpeg() -> None:
    for image in pictures()[:3]:
        options = [cv2.IMWRITE_JPEG_QUALITY, 10]
        _, stream = cv2.imencode(".jpg", image[..., ::-1], options)
        as_jpeg = cv2.imdecode(stream, cv2.IMREAD_COLOR_RGB)
        assert as_jpeg is not None
        rate = 8 * len(stream) / image[..., 0].size
        assert psnr(image, Jpeg2000(rate).apply(image, rng())) > psnr(image, as_jpeg.astype(np.uint8))


@pytest.mark.parametrize("snr", [0.0, 10.0, 20.0])
def test_the_bit_error_rate_is_that_of_a_simulated_channel(snr: float) -> None:
    draws, count, ratio = rng(7), 1_000_000, 10 ** (snr / 10)
    sent = draws.choice([-1.0, 1.0], count)
    fade = np.hypot(*draws.normal(0, 0.5**0.5, (2, count)))  # Rayleigh, mean power 1
    received = fade * sent + draws.normal(0, (1 / (2 * ratio)) ** 0.5, count)
    found = int((np.sign(received) != sent).sum())
    low, high = binom.interval(1 - 1e-6, count, bit_error_rate(snr))
    assert low <= found <= high


@pytest.mark.parametrize("rate", [0.0, 1e-4, 0.01, 0.5, 1.0])
def test_the_channel_flips_its_share_of_bits_and_knows_the_first(rate: float) -> None:
    sent = rng().bytes(20_000)
    received, first = through_channel(sent, rate, rng(1))
    wrong = np.unpackbits(np.frombuffer(sent, np.uint8) ^ np.frombuffer(received, np.uint8))
    low, high = binom.interval(1 - 1e-6, wrong.size, rate)
    assert low <= wrong.sum() <= high
    assert received[:first] == sent[:first]
    assert first == (wrong.argmax() // 8 if wrong.any() else len(sent))


def test_a_silent_channel_leaves_the_codec_alone() -> None:
    image = face()
    assert np.array_equal(FastFading(200.0).apply(image, rng()), Jpeg2000(jpeg2000.SENT_RATE).apply(image, rng()))


def test_the_headers_arrive_intact_and_something_else_does_not() -> None:
    read: list[bytes] = []

    def decode(stream: bytes) -> np.ndarray:
        read.append(stream)
        return face()

    with mock.patch.object(jpeg2000, "decoded", decode):
        FastFading(STEPS["fast_fading"].at(3)).apply(face(), rng())
    sent = encoded(face(), jpeg2000.SENT_RATE)
    body = sent.index(DATA) + len(DATA)
    assert read[0][:body] == sent[:body]
    assert read[0] != sent
    assert len(read[0]) == len(sent)
    assert read[0].endswith(END)


@given(st.floats(-10, 45), st.integers(0, 10_000), st.integers(16, 80), st.integers(16, 80))
@settings(max_examples=60, deadline=None)
def test_whatever_is_received_becomes_the_same_picture_twice(snr: float, seed: int, height: int, width: int) -> None:
    image = texture(seed % 3, 80)[:height, :width]
    first, second = (FastFading(snr).apply(np.ascontiguousarray(image), rng(seed)) for _ in range(2))
    assert first.shape == image.shape
    assert np.array_equal(first, second)


def test_a_decoder_that_refuses_gets_less_until_it_accepts() -> None:
    image, sent = face(64), encoded(face(64), jpeg2000.SENT_RATE)
    body, tried = sent.index(DATA) + len(DATA), []

    def decode(stream: bytes) -> np.ndarray:
        tried.append(stream)
        if len(tried) < 4:
            raise OSError("broken data stream")
        return image

    with mock.patch.object(jpeg2000, "decoded", decode):
        assert FastFading(20.0).apply(image, rng()) is image
    intact = [next(at for at in range(len(sent)) if one[at] != sent[at]) for one in tried]
    assert body <= intact[3] <= intact[2] <= intact[1] <= intact[0]
    for one, last in zip(tried[1:], intact[1:], strict=True):
        assert not any(one[last : -len(END)])
    with mock.patch.object(jpeg2000, "decoded", mock.Mock(side_effect=[OSError] * 1 + [image])) as decoder:
        FastFading(20.0).apply(image, rng())
    assert decoder.call_count == 2


@pytest.mark.parametrize("qp", STEPS["h264"].values)
def test_h264_is_one_frame_of_a_file_that_x264_writes(qp: float) -> None:
    image, stream = face(), io.BytesIO()
    with av.open(stream, "w", format="mp4") as file:
        video = file.add_stream("libx264", rate=25, options={**OPTIONS, "qp": str(int(qp))})
        video.width, video.height, video.pix_fmt = image.shape[1], image.shape[0], "yuv420p"
        planes = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        for packet in [*video.encode(frame), *video.encode(None)]:
            file.mux(packet)
    with av.open(io.BytesIO(stream.getvalue())) as file:
        planes = next(file.decode(video=0)).to_ndarray(format="yuv420p")
    assert np.array_equal(H264(int(qp)).apply(image, rng()), cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420))


@pytest.mark.parametrize("qp", [18, 24, 30])
def test_h264_gives_the_quantiser_to_its_frame(qp: int) -> None:
    noise = rng().integers(0, 256, (64, 64, 1), dtype=np.uint8)
    grey = np.repeat(noise, 3, axis=2)  # chroma is thinned out whatever the quantiser
    step = 2 ** ((qp - 4) / 6) * 255 / 219  # the standard's step, in levels of full range
    expected = 10 * np.log10(255**2 / (step**2 / 12))  # errors even over a step, as noise makes them
    assert psnr(grey, H264(qp).apply(grey, rng())) == pytest.approx(expected, abs=0.8)


def test_h264_keeps_colours_and_odd_sides() -> None:
    flat = np.full((33, 47, 3), (200, 120, 60), np.uint8)
    coded = H264(23).apply(flat, rng())
    assert coded.shape == flat.shape
    assert np.abs(coded.astype(int) - flat).max() <= 3
    odd = face(101)
    assert psnr(odd, H264(20).apply(odd, rng())) > 30


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_the_small_image_is_made_of_means_and_its_detail_is_all_there_is(factor: int) -> None:
    image = face(224)
    spoilt = DownscaleUpscale(factor).apply(image, rng())
    small = block_reduce(image, (factor, factor, 1), np.mean)
    enlarged = cv2.resize(small.astype(np.float32), (224, 224), interpolation=cv2.INTER_CUBIC)
    assert np.abs(spoilt - np.clip(enlarged, 0, 255)).max() <= 2.5
    power = np.abs(np.fft.fft2(spoilt[..., 1].astype(float))) ** 2
    wave = np.abs(np.fft.fftfreq(224))
    fine = np.maximum.outer(wave, wave) > 1 / factor
    assert power[fine].sum() < 0.01 * (power.sum() - power[0, 0])
    assert np.array_equal(DownscaleUpscale(1.0).apply(image, rng()), image)
