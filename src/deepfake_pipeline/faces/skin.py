"""A proxy of skin tone: how light the cheeks are in the picture. It measures light as much as skin."""

from __future__ import annotations

import math

import cv2
import numpy as np

from deepfake_pipeline.faces.align import CANONICAL, Points, canonical_points
from deepfake_pipeline.faces.detections import Image
from deepfake_pipeline.faces.geometry import CropGeometry

_REACH = 0.18  # of the distance between the eyes: half the side of the square on a cheek

TONES = ((55.0, "very light"), (41.0, "light"), (28.0, "intermediate"), (10.0, "tan"), (-30.0, "brown"))
"""Least angle in degrees of each tone (Chardon et al. 1991; Del Bino and Bernerd 2013); below the last it is dark."""


def face_points(geometry: CropGeometry) -> Points | None:
    """Where the five points of a face lie in crops of a geometry, in px; None where that is not known.

    Of given crops it is where they lie on the average.
    """
    if geometry.kind in ("aligned", "box"):
        return canonical_points(geometry.height, geometry.width, geometry.faces.margin)
    if geometry.kind != "given" or geometry.face_box is None:
        return None
    x, y, w, h = np.array(geometry.face_box) * [geometry.width, geometry.height, geometry.width, geometry.height]
    return (np.array(CANONICAL) - 0.5) * max(w, h) + [x + w / 2 - 0.5, y + h / 2 - 0.5]


def typology_angle(crop: Image, points: Points) -> float | None:
    """Individual typology angle of the cheeks, in degrees in (-90, 90): ``atan((L* - 50) / b*)``.

    The median colour of a square on each cheek, between eye and mouth corner, in CIE L*a*b* (D65); of the two cheeks
    the lighter one counts, as shadow is not skin.

    Args:
        crop: RGB uint8 ``(H, W, 3)``.
        points: ``(5, 2)`` in px of the crop.

    Returns:
        None where no cheek lies in the crop, or its colour is bluish (b* at most 0): no skin looks so in white light.
    """
    reach = max(_REACH * float(np.linalg.norm(points[1] - points[0])), 1.0)
    found = [_colour(crop, (points[eye] + points[mouth]) / 2, reach) for eye, mouth in ((0, 3), (1, 4))]
    colours = [colour for colour in found if colour is not None]
    if not colours:
        return None
    lightness, _, yellow = max(colours)
    return math.degrees(math.atan2(lightness - 50, yellow)) if yellow > 0 else None


def tone(angle: float) -> str:
    """Name of the tone of an angle in degrees."""
    return next((name for least, name in TONES if angle > least), "dark")


def _colour(crop: Image, centre: Points, reach: float) -> tuple[float, float, float] | None:
    """Median L*, a*, b* of a square."""
    height, width = crop.shape[:2]
    left, top = np.maximum(np.floor(centre - reach), 0).astype(int)
    right, bottom = np.minimum(np.ceil(centre + reach) + 1, [width, height]).astype(int)
    if right <= left or bottom <= top:
        return None
    square = np.ascontiguousarray(crop[top:bottom, left:right]).astype(np.float32) / 255
    lab = cv2.cvtColor(square, cv2.COLOR_RGB2Lab).reshape(-1, 3)
    lightness, green_red, blue_yellow = np.median(lab, axis=0).tolist()
    return lightness, green_red, blue_yellow
