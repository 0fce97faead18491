"""Which of a person's faces are worth keeping: evenly lit, in focus, still and frontal, as paper 002 asks."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from deepfake_pipeline.faces.detections import Floats, Image
from deepfake_pipeline.faces.measure import brightness, light_uniformity, motion_blur, sharpness, yaw
from deepfake_pipeline.tables import Reason, Refused

_USABLE = 100.0  # sharpness of a usable face: there the score for focus is one half


class SelectionParams(BaseModel):
    """Paper 002 keeps frames with "uniform lighting, good focus sharpness, and minimal blur"; it gives no figures."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_sharpness: float = Field(
        30.0, ge=0, description="least variance of the Laplacian at 128×128 px; some 100 is a usable face: blurred"
    )
    max_motion_blur: float = Field(
        0.7, ge=0, le=1, description="in [0, 1]: how far detail may run in one direction; above: blurred"
    )
    min_brightness: float = Field(0.12, ge=0, le=1, description="in [0, 1]: least mean luma; below: dark")
    min_light_uniformity: float = Field(
        0.6, ge=0, le=1, description="in [0, 1]: 1 is evenly lit, 0 half black; below: uneven_light"
    )
    max_yaw: float = Field(
        35.0, ge=0, le=90, description="degrees by which a head may be turned to either side; above: turned"
    )
    per_track: int = Field(
        5, ge=1, le=100_000, description="faces of one person in a video that are kept, the best ones"
    )
    images: bool = Field(
        False, description="refuse faces of images by these limits too; by default faces of videos alone"
    )


class FaceQuality(NamedTuple):
    """What a face is judged by; see :mod:`faces.measure` for units. ``yaw`` is None where there are no points."""

    sharpness: float
    motion_blur: float
    brightness: float
    light_uniformity: float
    yaw: float | None

    @classmethod
    def of(cls, crop: Image, landmarks: Floats | None) -> FaceQuality:
        """Measure a crop, RGB uint8 ``(H, W, 3)``, with five points in any unit."""
        return cls(sharpness(crop), motion_blur(crop), brightness(crop), light_uniformity(crop), yaw(landmarks))


@dataclass(frozen=True)
class Selection:
    """What becomes of the faces of a video; each is in exactly one of the three.

    Attributes:
        kept: places of the faces that are kept, rising.
        refused: place → why a face is not good enough.
        spare: places of faces that are good enough, where a person has better ones.
    """

    kept: list[int]
    refused: dict[int, Refused]
    spare: list[int]

    def reasons(self) -> dict[str, int]:
        """How many faces were refused for each reason."""
        return dict(sorted(Counter(refused.reason.value for refused in self.refused.values()).items()))


def select_faces(
    qualities: Sequence[FaceQuality], tracks: Sequence[int], params: SelectionParams | None = None
) -> Selection:
    """The best faces of each track; of equal ones the earlier.

    Args:
        qualities: of all faces of a video, in the order of time.
        tracks: number of the track of each; see :func:`faces.track.track_faces`.
        params: least qualities, and how many are kept.
    """
    params = params or SelectionParams()
    refused: dict[int, Refused] = {}
    good: dict[int, list[int]] = defaultdict(list)
    for place, (quality, track) in enumerate(zip(qualities, tracks, strict=True)):
        reason = refusal(quality, params)
        if reason is None:
            good[track].append(place)
        else:
            refused[place] = reason
    ranked = [sorted(places, key=lambda place: -score(qualities[place])) for places in good.values()]
    return Selection(
        kept=sorted(place for places in ranked for place in places[: params.per_track]),
        refused=refused,
        spare=sorted(place for places in ranked for place in places[params.per_track :]),
    )


def refusal(quality: FaceQuality, params: SelectionParams) -> Refused | None:
    """Why a face is not good enough, None if it is. A dark face is called so, though it looks blurred too."""
    if quality.brightness < params.min_brightness:
        return Refused(Reason.DARK, f"brightness {quality.brightness:.2f}, at least {params.min_brightness:g}")
    if quality.light_uniformity < params.min_light_uniformity:
        least = params.min_light_uniformity
        return Refused(Reason.UNEVEN_LIGHT, f"light uniformity {quality.light_uniformity:.2f}, at least {least:g}")
    if quality.sharpness < params.min_sharpness:
        return Refused(Reason.BLURRED, f"sharpness {quality.sharpness:.0f}, at least {params.min_sharpness:g}")
    if quality.motion_blur > params.max_motion_blur:
        return Refused(Reason.BLURRED, f"motion blur {quality.motion_blur:.2f}, at most {params.max_motion_blur:g}")
    if quality.yaw is not None and abs(quality.yaw) > params.max_yaw:
        return Refused(Reason.TURNED, f"yaw {quality.yaw:.0f} degrees, at most {params.max_yaw:g}")
    return None


def score(quality: FaceQuality) -> float:
    """How good a face is, in [0, 1]: the product of focus, stillness, even light and frontal pose.

    Focus counts as ``s / (s + 100)``, so that noise, which sharpens without end, gains little.
    """
    focus = quality.sharpness / (quality.sharpness + _USABLE)
    frontal = 1.0 if quality.yaw is None else math.cos(math.radians(quality.yaw))
    return focus * (1 - quality.motion_blur) * quality.light_uniformity * frontal
