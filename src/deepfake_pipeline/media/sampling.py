"""Which frames of a video are used: so many, so many a second, or one a scene. No video is opened here."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

_SCENE_SIDE = 64  # px: scenes are told apart on squares of this side; noise and compression average out


class VideoSampling(BaseModel):
    """Which frames of a video are used; the same ones whenever and wherever it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Literal["count", "rate", "scenes"] = Field(
        "count", description="count: so many frames, spread evenly; rate: so many a second; scenes: the first of each"
    )
    count: int = Field(8, ge=1, le=100_000, description="frames of a video; by=count only; shorter ones give all")
    rate: float = Field(1.0, gt=0, le=1000, description="frames a second, above 0 to 1000; by=rate only")
    scene_change: float = Field(
        0.1, gt=0, lt=1, description="in (0, 1): least scene_score of the first frame of a scene; by=scenes only"
    )
    max_frames: int = Field(
        1000,
        ge=1,
        le=1_000_000,
        description="frames of a video at most; by=rate spreads them evenly, by=scenes takes the first ones",
    )


def planned_frames(times: Sequence[int], unit: Fraction, sampling: VideoSampling) -> list[int]:
    """Numbers of the frames that are used of a video whose times are known; rising, none twice.

    By count, the video is cut into equal parts and the middle frame of each is used. By rate, the first frame that
    is shown at or after each multiple of the period, counted from the first frame. By scenes every frame is
    needed: see :class:`SceneCuts`.

    Args:
        times: of all frames, in order.
        unit: seconds that a time of 1 stands for.
        sampling: what is asked for.
    """
    if sampling.by == "scenes":
        return list(range(len(times)))
    if sampling.by == "count":
        return spread(len(times), min(sampling.count, sampling.max_frames))
    wanted = _by_rate(times, unit, Fraction(str(sampling.rate)))
    return [wanted[place] for place in spread(len(wanted), sampling.max_frames)]


def spread(total: int, count: int) -> list[int]:
    """The middles of ``count`` equal parts of ``range(total)``; all of it where it is shorter.

    >>> spread(100, 4)
    [12, 37, 62, 87]
    >>> spread(3, 8)
    [0, 1, 2]
    """
    if total <= count:
        return list(range(total))
    return [(2 * part + 1) * total // (2 * count) for part in range(count)]


def _by_rate(times: Sequence[int], unit: Fraction, rate: Fraction) -> list[int]:
    chosen: list[int] = []
    step = 0
    for number, time in enumerate(times):
        periods = (time - times[0]) * unit * rate
        if periods >= step:
            chosen.append(number)
            step = int(periods) + 1
    return chosen


class SceneCuts:
    """Finds the first frame of each scene, frame by frame.

    A frame's difference is the mean absolute difference of its luma to that of the frame before, in [0, 1], both
    reduced to 64×64 px. Its score is the smaller of that difference and of the change of the difference since the
    frame before: a cut raises both at once, motion and flicker that go on raise only the first. A slow fade is
    no cut.

    Args:
        threshold: least score of a cut.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._last: NDArray[np.floating] | None = None
        self._difference = 0.0

    def score(self, image: NDArray[np.uint8]) -> float:
        """Score of the next frame, RGB uint8 ``(H, W, 3)``, in [0, 1]; 1 for the first."""
        small = cv2.resize(image, (_SCENE_SIDE, _SCENE_SIDE), interpolation=cv2.INTER_AREA)
        luma = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32) / 255
        if self._last is None:
            self._last = luma
            return 1.0
        difference = float(np.abs(luma - self._last).mean())
        score = min(difference, abs(difference - self._difference))
        self._last, self._difference = luma, difference
        return score

    def starts(self, image: NDArray[np.uint8]) -> bool:
        """True if the next frame, RGB uint8 ``(H, W, 3)``, begins a scene; the first frame does.

        The frame after a cut is as like its neighbour as any other, so its difference falls as steeply as it had
        risen, but stays small: it begins none.
        """
        return self.score(image) >= self.threshold
