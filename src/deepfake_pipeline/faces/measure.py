"""What a face crop is like: focus, light and pose. Pure functions of one crop or of five points."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from deepfake_pipeline.faces.detections import Floats, Image

_SIDE = 128  # px: sharpness is measured at this size, so that crops of all sizes compare
_NOSE_DEPTH = 0.5  # the tip of the nose stands this far before the line of the eyes, in inter-ocular distances


def sharpness(crop: Image) -> float:
    """Variance of the Laplacian of the luma on its 8-bit scale, at 128×128 px; 0 is a flat picture.

    About 10 is badly blurred, some 100 a usable face, above 500 crisp or noisy. Pech-Pacheco et al., ICPR 2000.

    Args:
        crop: RGB uint8 ``(H, W, 3)``.
    """
    enlarging = crop.shape[0] < _SIDE or crop.shape[1] < _SIDE
    interpolation = cv2.INTER_LINEAR if enlarging else cv2.INTER_AREA
    luma = cv2.resize(_luma(crop), (_SIDE, _SIDE), interpolation=interpolation)
    return float(cv2.Laplacian(luma, cv2.CV_64F, ksize=1, borderType=cv2.BORDER_REFLECT_101).var())


def motion_blur(crop: Image) -> float:
    """How much the fine detail of the face runs in one direction, in [0, 1]; motion blurs along its way alone.

    The coherence of the structure tensor of the whole face, ``(l1 - l2) / (l1 + l2)`` of its eigenvalues (Bigün and
    Granlund, ICCV 1987), at 128×128 px after coarse shapes (Gaussian, sigma 3) are taken away; the middle counts
    (70 % of each side). Sharp and evenly blurred faces have 0 to 0.5; a motion over 9 px of the 128 gives 0.3 to
    0.9. A flat picture has 0.

    Args:
        crop: RGB uint8 ``(H, W, 3)``.
    """
    luma = cv2.resize(_luma(crop), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float64)
    fine = luma - cv2.GaussianBlur(luma, (0, 0), 3)
    inset = round(0.15 * _SIDE)
    middle = np.s_[inset:-inset, inset:-inset]
    across, down = (cv2.Scharr(fine, cv2.CV_64F, dx, 1 - dx)[middle] for dx in (1, 0))
    xx, xy, yy = (across**2).mean(), (across * down).mean(), (down**2).mean()
    return float(np.hypot(xx - yy, 2 * xy) / (xx + yy)) if xx + yy > 0 else 0.0


def brightness(crop: Image) -> float:
    """Mean luma (BT.601) in [0, 1].

    Args:
        crop: RGB uint8 ``(H, W, 3)``.
    """
    return float(_luma(crop).mean() / 255)


def light_uniformity(crop: Image) -> float:
    """How evenly the face is lit, in [0, 1]: 1 is even, 0 where one half is black.

    The middle of the crop (70 % of each side: hair and background say nothing about light on the face) is
    halved, left and right and again top and bottom. Of the two contrasts ``|a - b| / (a + b)`` of mean luma the
    stronger counts, and is taken from 1. The selection by "uniform lighting" of paper 002 gives no formula.

    Args:
        crop: RGB uint8 ``(H, W, 3)``.
    """
    height, width = crop.shape[:2]
    inset_y, inset_x = round(0.15 * height), round(0.15 * width)
    luma = _luma(crop)[inset_y : height - inset_y, inset_x : width - inset_x].astype(np.float64)
    columns, rows = luma.mean(axis=0), luma.mean(axis=1)
    return 1 - max(_contrast(columns), _contrast(rows))


def yaw(landmarks: Floats | None) -> float | None:
    """Estimate of how far a head is turned, in degrees in (-90, 90); positive towards the image's right.

    The nose tip stands ``d`` inter-ocular distances before the eyes, so a turn by ``a`` moves it sideways by
    ``d sin(a)`` while the eyes close in by ``cos(a)``: ``tan(a) = shift / (d · eye distance)``, where the shift
    is taken from the middle line of the face (from between the eyes to between the mouth corners), along the
    line of the eyes. That makes it independent of size and of a tilted head.

    Args:
        landmarks: ``(5, 2)``, any unit, or None.

    Returns:
        None without landmarks, and where the eyes fall together.
    """
    if landmarks is None or not np.isfinite(landmarks).all():
        return None
    left_eye, right_eye, nose, left_mouth, right_mouth = np.asarray(landmarks, np.float64)
    eyes = right_eye - left_eye
    distance = float(np.hypot(*eyes))
    if distance == 0:
        return None
    across = eyes / distance
    down = np.array([-across[1], across[0]])
    top, bottom = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    length = float((bottom - top) @ down)
    share = float((nose - top) @ down) / length if length > 0 else 0.5
    middle = top + np.clip(share, 0, 1) * (bottom - top)
    return math.degrees(math.atan(float((nose - middle) @ across) / (_NOSE_DEPTH * distance)))


def _luma(crop: Image) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), np.uint8)


def _contrast(profile: npt.NDArray[np.float64]) -> float:
    half = len(profile) // 2
    first, second = profile[:half].mean(), profile[len(profile) - half :].mean()
    return float(abs(first - second) / (first + second)) if first + second > 0 else 0.0
