"""JPEG2000, and a JPEG2000 stream received over a fading radio channel."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Self

import numpy as np
from PIL import Image as Pillow

from deepfake_pipeline.degrade.base import Image
from deepfake_pipeline.degrade.severity import STEPS

SENT_RATE = 2.5
"""Bits a pixel of the stream that is sent through the channel, as in the LIVE set."""

_HEADERS = 123
"""Bytes before the packets of a stream of six resolutions, as nearly all are."""

_START_OF_DATA = b"\xff\x93"
_END_OF_STREAM = b"\xff\xd9"


@dataclass(frozen=True)
class Jpeg2000:
    """Saved once as JPEG2000: the 9/7 wavelet, one quality layer, cut at a rate; smears and rings where JPEG blocks.

    Args:
        rate: bits a pixel; the headers, which matter only to the smallest pictures, are not counted.
    """

    rate: float

    @classmethod
    def draw(cls, severity: float, rng: np.random.Generator) -> Self:
        """Nothing is random here."""
        return cls(STEPS["jpeg2000"].at(severity))

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """The decoded image; nothing of the stream is kept."""
        return decoded(encoded(image, self.rate))


@dataclass(frozen=True)
class FastFading:
    """A JPEG2000 stream with the bit errors of a fast-fading Rayleigh channel, as in the LIVE set (Sheikh et al. 2006).

    Headers arrive intact and every bit after them meets a fade of its own. OpenJPEG writes no segmentation symbols,
    which LIVE's encoder did: one error spoils the rest of its code block, one in a packet's header all that follows,
    and so fewer errors than there do as much harm.

    Args:
        snr: mean ratio of signal to noise at the receiver, in dB a bit.
    """

    snr: float

    @classmethod
    def draw(cls, severity: float, rng: np.random.Generator) -> Self:
        """The channel is fixed; which bits are wrong comes when the stream is there."""
        return cls(STEPS["fast_fading"].at(severity))

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """What the decoder makes of the stream; where it refuses, of the stream erased from the first error on."""
        sent = encoded(image, SENT_RATE)
        body, end = sent.index(_START_OF_DATA) + len(_START_OF_DATA), len(sent) - len(_END_OF_STREAM)
        received, first = through_channel(sent[body:end], bit_error_rate(self.snr), rng)
        # The end of an erased part may be nonsense too where it cuts a packet's header: then a byte more is erased.
        for intact in (len(received), *range(first, 0, -1)):
            try:
                return decoded(sent[:body] + received[:intact].ljust(end - body, b"\0") + sent[end:])
            except OSError:
                continue
        return decoded(sent[:body] + bytes(end - body) + sent[end:])


def bit_error_rate(snr: float) -> float:
    """Mean bit error rate of BPSK, received coherently, where every bit has a Rayleigh fade of its own.

    Args:
        snr: mean ratio of signal to noise a bit, in dB.

    Returns:
        In (0, 0.5): (1 - sqrt(s / (1 + s))) / 2 for a ratio s (Proakis, Digital Communications, 14.3).
    """
    ratio = 10 ** (snr / 10)
    return float((1 - np.sqrt(ratio / (1 + ratio))) / 2)


def through_channel(sent: bytes, error_rate: float, rng: np.random.Generator) -> tuple[bytes, int]:
    """What is received of some bytes whose bits are each wrong with the same chance.

    Returns:
        As many bytes, and the index of the first that is wrong, or their number where none is.
    """
    bits = 8 * len(sent)
    wrong = rng.choice(bits, rng.binomial(bits, error_rate), replace=False, shuffle=False)
    received = np.frombuffer(sent, np.uint8).copy()
    np.bitwise_xor.at(received, wrong // 8, (1 << wrong % 8).astype(np.uint8))
    return received.tobytes(), int(wrong.min()) // 8 if wrong.size else len(sent)


def encoded(image: Image, rate: float) -> bytes:
    """A JPEG2000 code stream without the wrapping of a file: its headers and then ``rate`` bits a pixel."""
    height, width = image.shape[:2]
    size = _HEADERS + rate * height * width / 8
    stream = BytesIO()
    Pillow.fromarray(image).save(
        stream,
        "JPEG2000",
        no_jp2=True,
        irreversible=True,
        progression="LRCP",
        quality_layers=[image.size / size],
        comment=b"-",  # else the codec writes its version there, and a release would change the size
    )
    return stream.getvalue()


def decoded(stream: bytes) -> Image:
    """Pixels of a code stream.

    Raises:
        OSError: the decoder refuses it.
    """
    with Pillow.open(BytesIO(stream), formats=["JPEG2000"]) as picture:
        return np.array(picture)
