"""A face swap: the inner face of one picture blended into another, guided by five landmarks of each.

Made for one reason, labelled data to train and test detectors on. What gives a swap away is what gives away
real ones: the resampling of detail and noise, the seam, and colour and light that do not quite agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from deepfake_pipeline.faces.align import aligning

RGBImage = NDArray[np.uint8]
Array = NDArray[np.floating[Any]]

_MARGIN = 0.2  # share of the face box around it in the frame in which the swap is made
_FAINT = 1.5 / 255  # less of the other face than this is none


class SwapParams(BaseModel):
    """How a face is swapped."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    resolution: int = Field(
        default=96,
        ge=32,
        le=1024,
        description="Side in px of the aligned frame that the new face is made in; generators of swaps have 64 to 256.",
    )
    feather: float = Field(
        default=0.12, ge=0.02, le=0.5, description="Softness of the seam: sigma as a share of the eye distance."
    )
    opacity: float = Field(default=1.0, gt=0, le=1, description="Share of the new face in the middle of the mask.")
    colour: float = Field(
        default=1.0, ge=0, le=1, description="Strength of the colour transfer (Reinhard et al. 2001); 0 leaves it out."
    )


@dataclass(frozen=True)
class Swap:
    """A forged picture: ``image`` uint8 (H, W, 3) RGB, ``mask`` uint8 (H, W).

    The mask is the share of the new face, 0 to 255; where it is 0, the image is the target's, byte for byte.
    """

    image: RGBImage
    mask: NDArray[np.uint8]


def swap_face(
    target: RGBImage,
    target_landmarks: Array,
    source: RGBImage,
    source_landmarks: Array,
    params: SwapParams | None = None,
) -> Swap:
    """Put the inner face of ``source`` into ``target``.

    Args:
        target: uint8 (H, W, 3) RGB.
        target_landmarks: (5, 2) in px of the target, see :class:`media.render.FaceTruth`.
        source: uint8 (h, w, 3) RGB.
        source_landmarks: (5, 2) in px of the source.
        params: how.

    Raises:
        ValueError: landmarks are not five finite points, lie on one line or at one place, or are mirrored.
    """
    params = params or SwapParams()
    here, there = _points(target_landmarks, "target"), _points(source_landmarks, "source")
    side = params.resolution
    to_frame = aligning(here.astype(np.float32), side, side, _MARGIN)
    framed = here @ to_frame[:, :2].T + to_frame[:, 2]
    into = _affine(there, framed)
    face = _warped(source, into, side, side)
    mask = np.minimum(
        inner_face_mask(framed, side, side, params.feather),
        _warped(inner_face_mask(there, source.shape[0], source.shape[1], params.feather), into, side, side),
    )
    face = transfer_colour(face, _warped(target, to_frame, side, side), mask, params.colour)
    back = cv2.invertAffineTransform(to_frame)
    height, width = target.shape[:2]
    share = params.opacity * _warped(mask, back, height, width)
    share = np.round(255 * np.where(share < _FAINT, 0, share))
    blended = target + (_warped(face, back, height, width) - target) * (share[..., None] / 255)
    image = np.asarray(np.round(np.clip(blended, 0, 255)), np.uint8)
    return Swap(image, share.astype(np.uint8))


def inner_face_mask(landmarks: Array, height: int, width: int, feather: float) -> Array:
    """The inner face, from the brows to under the lips and from cheek to cheek, with a soft edge.

    Args:
        landmarks: (5, 2), px.
        height: of the mask, px.
        width: of the mask, px.
        feather: sigma of the edge as a share of the distance of the eyes.

    Returns:
        float32 (height, width) in [0, 1].
    """
    points = np.asarray(landmarks, np.float64)
    left, right, nose, low_left, low_right = points
    across, up = right - left, 0.5 * (left + right - low_left - low_right)
    distance = float(np.linalg.norm(across))
    # a turned face shows less of its far side: the nose tells how much; the soft edge has to end on the face
    turned = np.clip(float((nose - left) @ across) / distance**2, 0.2, 0.8)
    to_left, to_right = (max(0.12, 0.36 * (2 * seen) ** 1.6 - 0.5 * feather) * across for seen in (turned, 1 - turned))
    polygon = [
        left - to_left + 0.28 * up,
        0.5 * (left + right) + 0.46 * up,
        right + to_right + 0.28 * up,
        right + 1.1 * to_right - 0.45 * up,
        low_right + 0.6 * to_right + 0.07 * across - 0.12 * up,
        0.5 * (low_left + low_right) - 0.40 * up,
        low_left - 0.6 * to_left - 0.07 * across - 0.12 * up,
        left - 1.1 * to_left - 0.45 * up,
    ]
    hull = cv2.convexHull(np.round(np.array(polygon) * 16).astype(np.int32))
    mask = np.zeros((height, width), np.float32)
    cv2.fillConvexPoly(mask, hull, 1.0, cv2.LINE_8, 4)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(feather * distance, 0.5)), np.float32)


def transfer_colour(source: Array, target: Array, weights: Array, strength: float = 1.0) -> Array:
    """Give the source the mean and the deviation of the target's colours in CIELAB.

    Reinhard et al., "Color transfer between images", IEEE CG&A 2001.

    Args:
        source: (H, W, 3) RGB in [0, 255].
        target: the same.
        weights: (H, W), what counts for the statistics; all 0 changes nothing.
        strength: 0 changes nothing, 1 transfers in full.

    Returns:
        float32 (H, W, 3) RGB in [0, 255].
    """
    total = float(weights.sum())
    if total == 0 or strength == 0:
        return np.asarray(source, np.float32)
    share = (weights / total)[..., None]
    lab, other = (cv2.cvtColor(np.asarray(rgb / 255, np.float32), cv2.COLOR_RGB2Lab) for rgb in (source, target))
    mean, other_mean = (share * lab).sum(axis=(0, 1)), (share * other).sum(axis=(0, 1))
    spread, other_spread = (
        np.sqrt((share * (image - centre) ** 2).sum(axis=(0, 1)))
        for image, centre in ((lab, mean), (other, other_mean))
    )
    gain = np.clip(other_spread / np.maximum(spread, 1e-3), 0.5, 2.0)  # a flat source would become all noise
    moved = lab + strength * ((lab - mean) * gain + other_mean - lab)
    return 255 * np.clip(cv2.cvtColor(np.asarray(moved, np.float32), cv2.COLOR_Lab2RGB), 0, 1)


def _points(landmarks: Array, name: str) -> NDArray[np.float64]:
    points = np.asarray(landmarks, np.float64)
    if points.shape != (5, 2) or not np.isfinite(points).all():
        raise ValueError(f"landmarks of the {name} must be five finite points (5, 2), not {points.shape}")
    across, down = points[1] - points[0], points[3:].mean(axis=0) - points[:2].mean(axis=0)
    if across[0] * down[1] - across[1] * down[0] < 1e-3 * max(1.0, float(across @ across)):
        raise ValueError(f"landmarks of the {name} lie on one line or are mirrored; left is left as seen in the image")
    return points


def _affine(source: Array, target: Array) -> NDArray[np.float64]:
    """The affine transform (2, 3) that brings points (N, 2) closest to others, in the mean of squares."""
    known = np.column_stack([source, np.ones(len(source))])
    solution, *_ = np.linalg.lstsq(known, target, rcond=None)
    return np.ascontiguousarray(solution.T)


def _warped(image: NDArray[Any], matrix: NDArray[np.float64], height: int, width: int) -> Array:
    """The image under a transform, float32, bilinear; beyond its border its edge is repeated, or a mask is 0."""
    border = cv2.BORDER_CONSTANT if image.ndim == 2 else cv2.BORDER_REPLICATE
    values = np.asarray(image, np.float32)
    return np.asarray(
        cv2.warpAffine(
            values,
            matrix,
            (width, height),
            flags=cv2.INTER_CUBIC if image.ndim == 3 else cv2.INTER_LINEAR,
            borderMode=border,
        )
    )
