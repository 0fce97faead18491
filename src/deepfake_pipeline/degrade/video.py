"""Lossy compression of video."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake_pipeline.degrade.base import Image
from deepfake_pipeline.degrade.severity import STEPS

if TYPE_CHECKING:
    from av.packet import Packet

# A constant quantiser switches off what x264 decides in floating point, and a ratio of 1 gives it to key frames too;
# one thread makes one slice on any machine.
OPTIONS = {"preset": "medium", "threads": "1", "x264-params": "ipratio=1"}
"""How x264 is asked."""


@dataclass(frozen=True)
class H264:
    """A still of a video: one key frame of H.264, 4:2:0 chroma, coded by x264 at a constant quantiser.

    Args:
        qp: quantisation parameter, a whole number from 1 to 51; six more double the step of the quantiser.
    """

    qp: int

    @classmethod
    def draw(cls, severity: float, rng: np.random.Generator) -> Self:
        """Nothing is random here; between two severities the nearest whole quantiser."""
        return cls(round(STEPS["h264"].at(severity)))

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """The decoded frame; an odd side is repeated once for the codec and cut off again."""
        height, width = image.shape[:2]
        even = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        # OpenCV's conversions are in fixed point; those of ffmpeg depend on the machine.
        planes = _decoded(_encoded(cv2.cvtColor(even, cv2.COLOR_RGB2YUV_I420), self.qp))
        return cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420)[:height, :width].astype(np.uint8)


def _encoded(planes: NDArray[Any], qp: int) -> list[Packet[Any]]:
    import av  # late: it is needed for this degradation alone

    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.pts = 0
    codec = av.VideoCodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = frame.width, frame.height, "yuv420p"
    codec.time_base = Fraction(1, 25)
    codec.options = {**OPTIONS, "qp": str(qp)}
    return [*codec.encode(frame), *codec.encode(None)]


def _decoded(packets: list[Packet[Any]]) -> NDArray[Any]:
    import av

    codec = av.VideoCodecContext.create("h264", "r")
    codec.thread_count = 1
    (frame,) = [frame for packet in [*packets, None] for frame in codec.decode(packet)]
    return frame.to_ndarray(format="yuv420p")
