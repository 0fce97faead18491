"""Self-blended images: forgeries made on the fly from real faces alone.

Shiohara & Yamasaki, "Detecting deepfakes with self-blended images", CVPR 2022 (arXiv 2204.08376): a face is blended
with a slightly changed copy of itself. Nobody's face is swapped; what is left is what most forgeries share, a seam
between two statistics. The recipe follows the paper's steps; regions come from five landmarks instead of 81.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from deepfake_pipeline.faces.align import canonical_points
from deepfake_pipeline.faces.geometry import CropGeometry
from deepfake_pipeline.forge.swap import Array, RGBImage, inner_face_mask

_FAINT = 1.5 / 255  # less of the copy than this is none
# The paper, too, draws among four hulls of its landmarks.
_REGIONS = ("inner", "inner", "upper", "lower", "wide")


class SelfBlendParams(BaseModel):
    """How strong the changes are; each is drawn anew for every face, up to these bounds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    margin: float = Field(
        default=0.2, ge=0, le=2, description="Share of the face box around it, where no landmarks are given."
    )
    colour: float = Field(default=20.0, ge=0, le=128, description="Largest shift of a colour channel, grey levels.")
    contrast: float = Field(default=0.1, ge=0, le=0.9, description="Largest change of contrast and light, as a share.")
    shift: float = Field(default=0.03, ge=0, le=0.2, description="Largest move of the copy, as a share of the picture.")
    scale: float = Field(default=0.05, ge=0, le=0.2, description="Largest change of the copy's size, as a share.")
    coarsest: float = Field(
        default=0.4, gt=0, le=1, description="Lowest resolution the copy may pass through, as a share of the picture's."
    )
    elastic: float = Field(
        default=0.12, ge=0, le=0.3, description="Largest bend of the mask's outline, as a share of the eye distance."
    )
    feather: tuple[float, float] = Field(
        default=(0.04, 0.25), description="Softness of the seam: sigma as a share of the eye distance, least and most."
    )
    opacities: tuple[float, ...] = Field(
        default=(0.25, 0.5, 0.75, 1.0, 1.0, 1.0), min_length=1, description="Shares of the copy to draw from."
    )
    target_share: float = Field(
        default=0.5, ge=0, le=1, description="Share of the blends whose surroundings are changed instead of the copy."
    )

    @field_validator("feather")
    @classmethod
    def _in_order(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] <= value[1] <= 1:
            raise ValueError("feather must be two numbers in (0, 1], the smaller one first")
        return value

    @field_validator("opacities")
    @classmethod
    def _are_shares(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0 < share <= 1 for share in value):
            raise ValueError("opacities must lie in (0, 1]")
        return value


@dataclass(frozen=True)
class SelfBlend:
    """A forgery and the real picture that it differs from.

    Attributes:
        image: uint8 (H, W, 3) RGB, the forgery.
        target: the same, the real counterpart: the picture given, or that with its colours and sharpness changed.
        mask: uint8 (H, W), share of the copy, 0 to 255; where it is 0, image and target are equal, byte for byte.
    """

    image: RGBImage
    target: RGBImage
    mask: NDArray[np.uint8]


def self_blend(
    image: RGBImage,
    rng: np.random.Generator,
    landmarks: Array | None = None,
    params: SelfBlendParams | None = None,
) -> SelfBlend:
    """Blend a real face with a changed copy of itself.

    Args:
        image: uint8 (H, W, 3) RGB with one real face.
        rng: all that is drawn comes from it, always in the same order.
        landmarks: (5, 2) in px: left eye, right eye, nose, left and right corner of the mouth, left as seen in the
            picture; None for an aligned crop, where they lie in known places.
        params: bounds of the changes.

    Raises:
        ValueError: landmarks are not five finite points with the eyes apart.
    """
    params = params or SelfBlendParams()
    height, width = image.shape[:2]
    points = canonical_points(height, width, params.margin) if landmarks is None else _checked(landmarks)
    mask = _bent(_region(points, height, width, rng, params), points, rng, params)
    mask = mask * rng.choice(params.opacities)

    changed = change_statistics(image, rng, params)
    copy, target = (image, changed) if rng.random() < params.target_share else (changed, image)
    copy = _moved(copy, rng, params)
    share = np.round(255 * np.where(mask < _FAINT, 0, mask))
    blended = target + (copy.astype(np.float32) - target) * (share[..., None] / 255)
    forged = np.asarray(np.round(np.clip(blended, 0, 255)), np.uint8)
    return SelfBlend(forged, target.copy(), share.astype(np.uint8))


@dataclass(frozen=True)
class SelfBlender:
    """:func:`self_blend` with its bounds, for aligned crops: what training calls for every real face.

    Args:
        params: bounds of the changes.
    """

    params: SelfBlendParams

    def __call__(self, image: RGBImage, rng: np.random.Generator) -> SelfBlend:
        return self_blend(image, rng, None, self.params)


def blender_for(geometry: CropGeometry) -> SelfBlender:
    """A forger for crops of a geometry: it says where in them a face lies.

    Args:
        geometry: of the crops; of given ones, the width of the face box says how much lies around the face.
    """
    margin = geometry.faces.margin
    if geometry.kind == "given":
        width = geometry.face_box[2] if geometry.face_box else 1.0
        margin = min(max((1 / width - 1) / 2, 0.0), 2.0)
    return SelfBlender(SelfBlendParams(margin=margin))


def change_statistics(image: RGBImage, rng: np.random.Generator, params: SelfBlendParams) -> RGBImage:
    """Shift the colours, change contrast and light, and either sharpen or pass through a lower resolution.

    Args:
        image: uint8 (H, W, 3) RGB.
        rng: of the draws.
        params: bounds of the changes.

    Returns:
        uint8 (H, W, 3).
    """
    shift = rng.random() * rng.uniform(-params.colour, params.colour, 3)  # most are slight: strong ones teach little
    gain, light = 1 + rng.uniform(-params.contrast, params.contrast, 2)
    sharpens, strength, resolution = rng.random() < 0.5, rng.uniform(0.2, 1.0), rng.uniform(params.coarsest, 1)
    values = image.astype(np.float32)
    values = ((values - 127.5) * np.float32(gain) + 127.5) * np.float32(light) + shift.astype(np.float32)
    if sharpens:
        values += np.float32(strength) * (values - cv2.GaussianBlur(values, (0, 0), 1.0))
    else:
        height, width = image.shape[:2]
        less = max(round(width * resolution), 1), max(round(height * resolution), 1)
        small = cv2.resize(values, less, interpolation=cv2.INTER_AREA)
        values = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    return np.asarray(np.round(np.clip(values, 0, 255)), np.uint8)


def _checked(landmarks: Array) -> NDArray[np.float64]:
    points = np.asarray(landmarks, np.float64)
    if points.shape != (5, 2) or not np.isfinite(points).all() or np.linalg.norm(points[1] - points[0]) < 1:
        raise ValueError(f"landmarks must be five finite points (5, 2) with the eyes apart, not {points.tolist()}")
    return points


def _region(
    points: NDArray[np.float64], height: int, width: int, rng: np.random.Generator, params: SelfBlendParams
) -> Array:
    """A part of the face, float32 (height, width) of 0 to 1 with a nearly hard edge."""
    kind = rng.choice(_REGIONS)
    mask = inner_face_mask(points, height, width, 0.02)
    if kind == "wide":
        radius = max(round(0.15 * float(np.linalg.norm(points[1] - points[0]))), 1)
        ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
        return np.asarray(cv2.dilate(mask, ellipse), np.float32)
    if kind != "inner":
        down = points[3:].mean(axis=0) - points[:2].mean(axis=0)
        rows, columns = np.mgrid[0:height, 0:width]
        along = (columns - points[2, 0]) * down[0] + (rows - points[2, 1]) * down[1]
        above = along < 0.25 * float(down @ down)
        mask = np.where(above if kind == "upper" else along > -0.25 * float(down @ down), mask, 0)
    return np.asarray(mask, np.float32)


def _bent(
    mask: Array, points: NDArray[np.float64], rng: np.random.Generator, params: SelfBlendParams
) -> NDArray[np.float32]:
    """The mask with its outline bent at random, a little smaller or larger, and with a soft edge.

    Elastic deformation as in Simard et al. 2003; growth and shrinkage by blurring and cutting at a drawn level.
    """
    height, width = mask.shape
    eyes = float(np.linalg.norm(points[1] - points[0]))
    reach = rng.uniform(0, params.elastic) * eyes
    coarse = rng.uniform(-1, 1, (6, 6, 2)).astype(np.float32)
    level, softness = rng.uniform(0.25, 0.75), rng.uniform(*params.feather)
    moves = reach * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    bent = cv2.remap(mask, columns + moves[..., 0], rows + moves[..., 1], cv2.INTER_LINEAR)
    hard = (cv2.GaussianBlur(bent, (0, 0), max(0.08 * eyes, 0.5)) > level).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(hard, (0, 0), max(softness * eyes, 0.5)), np.float32)


def _moved(image: RGBImage, rng: np.random.Generator, params: SelfBlendParams) -> RGBImage:
    """The picture a little larger or smaller, about its middle, and shifted; its edge is repeated."""
    height, width = image.shape[:2]
    scale = 1 + rng.uniform(-params.scale, params.scale)
    shift = rng.uniform(-params.shift, params.shift, 2) * (width, height)
    middle = np.array([width - 1, height - 1]) / 2
    matrix = np.column_stack([scale * np.eye(2), middle * (1 - scale) + shift])
    moved = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)
