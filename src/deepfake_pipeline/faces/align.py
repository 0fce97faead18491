"""From a face in an image to a crop of fixed size: similarity transforms, canonical points, warping.

Points and matrices are in pixel centres, as OpenCV has them: the first pixel is (0, 0).
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from deepfake_pipeline.faces.detections import Floats, Image

Matrix = npt.NDArray[np.float64]  # 2×3, affine, from image to crop
Points = npt.NDArray[np.float64]  # n×2

# Left eye, right eye, nose, mouth corners of an upright frontal face, as shares of the longer side of its box
# around the centre of the box. Rounded from the medians of MTCNN's own points and boxes on real faces.
CANONICAL = ((0.32, 0.38), (0.68, 0.38), (0.50, 0.56), (0.345, 0.755), (0.655, 0.755))


def similarity(source: npt.ArrayLike, target: npt.ArrayLike) -> Matrix:
    """The scaling, rotation and translation that brings points closest to others, in the mean of squares.

    Never mirrors. Umeyama, IEEE TPAMI 13(4), 1991, equations 39 to 43.

    Args:
        source: points ``(n, 2)``, not all the same.
        target: points ``(n, 2)``.

    Returns:
        float64 ``(2, 3)``.

    Raises:
        ValueError: the source points are all the same.
    """
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    spread = ((a - mean_a) ** 2).sum() / len(a)
    if spread == 0:
        raise ValueError("the points of a similarity transform must not all be the same")
    u, strength, v = np.linalg.svd((b - mean_b).T @ (a - mean_a) / len(a))
    sign = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(v))])
    linear = (strength * sign).sum() / spread * (u * sign) @ v
    return np.column_stack([linear, mean_b - linear @ mean_a])


def canonical_points(height: int, width: int, margin: float) -> Points:
    """Where the five points of a face belong in a crop.

    The face box is a square in the middle; with ``margin`` (share of its side) around it, it fills the shorter
    side of the crop.
    """
    side = min(height, width) / (1 + 2 * margin)
    return (np.array(CANONICAL) - 0.5) * side + np.array([width, height]) / 2 - 0.5


def aligning(landmarks: Floats, height: int, width: int, margin: float) -> Matrix:
    """Brings the five points of a face as close as a similarity can to :func:`canonical_points`."""
    return similarity(landmarks, canonical_points(height, width, margin))


def framing(box: npt.ArrayLike, height: int, width: int, margin: float) -> Matrix:
    """Cuts the square around a box, with a margin; nothing is rotated.

    Args:
        box: x, y, w, h in source pixels (edges).
        height: of the crop, in px.
        width: of the crop, in px.
        margin: share of the longer side of the box that is added on each side.
    """
    x, y, w, h = np.asarray(box, np.float64)
    scale = min(height, width) / (max(w, h) * (1 + 2 * margin))
    return _edges_to_centres(scale, scale, width / 2 - scale * (x + w / 2), height / 2 - scale * (y + h / 2))


def filling(region: npt.ArrayLike, height: int, width: int) -> Matrix:
    """Brings a region x, y, w, h (source pixels, edges) to the whole crop, whatever its aspect ratio."""
    x, y, w, h = np.asarray(region, np.float64)
    return _edges_to_centres(width / w, height / h, -x * width / w, -y * height / h)


def _edges_to_centres(scale_x: float, scale_y: float, shift_x: float, shift_y: float) -> Matrix:
    return np.array(
        [
            [scale_x, 0, shift_x + (scale_x - 1) / 2],
            [0, scale_y, shift_y + (scale_y - 1) / 2],
        ]
    )


def inverse(matrix: Matrix) -> Matrix:
    """From crop to image."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def transformed(points: npt.ArrayLike, matrix: Matrix) -> Points:
    """Points ``(n, 2)`` after the transform."""
    return np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]


def warp(image: Image, matrix: Matrix, height: int, width: int) -> Image:
    """The crop that a transform makes of an image.

    Where it shrinks, each pixel of the crop is the mean of what it covers: the image is first reduced by whole
    numbers, then sampled several times a pixel and averaged. Where it enlarges, it is cubic. What lies beyond
    the image is its reflection, so that no black edge enters the measurements or gives a data set away.

    Args:
        image: RGB uint8 ``(H, W, 3)``.
        matrix: from image to crop.
        height: of the crop, in px.
        width: of the crop, in px.

    Returns:
        RGB uint8 ``(height, width, 3)``.
    """
    back = inverse(matrix)
    shrink = float(np.linalg.norm(back[:, :2], axis=0).max())  # source pixels a pixel of the crop
    coarse = max(int(shrink / 3), 1)
    fine = max(math.ceil(shrink / coarse - 1e-6), 1)

    left, top, right, bottom = _reach(back, height, width, 2 * shrink + 2, image)
    part = image[top:bottom, left:right]
    if coarse > 1:
        less = max((right - left) // coarse, 1), max((bottom - top) // coarse, 1)
        part = np.asarray(cv2.resize(part, less, interpolation=cv2.INTER_AREA), np.uint8)
    into_part = filling((left, top, right - left, bottom - top), *part.shape[:2])
    into_canvas = _chained(matrix, _edges_to_centres(fine, fine, 0, 0))
    canvas = cv2.warpAffine(
        part,
        _chained(inverse(into_part), into_canvas),
        (width * fine, height * fine),
        flags=cv2.INTER_LINEAR if fine > 1 else cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    if fine > 1:
        canvas = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(canvas, np.uint8)


def _reach(back: Matrix, height: int, width: int, around: float, image: Image) -> tuple[int, int, int, int]:
    """What a crop sees of an image and a little more: left, top, right and bottom, never empty."""
    outline = np.array([[-0.5, -0.5], [width - 0.5, -0.5], [-0.5, height - 0.5], [width - 0.5, height - 0.5]])
    seen = transformed(outline, back)
    left, top = np.floor(seen.min(axis=0) - around)
    right, bottom = np.ceil(seen.max(axis=0) + around)
    left, right = np.clip([left, right], 0, image.shape[1])
    top, bottom = np.clip([top, bottom], 0, image.shape[0])
    left, top = min(left, image.shape[1] - 1), min(top, image.shape[0] - 1)
    return int(left), int(top), int(max(right, left + 1)), int(max(bottom, top + 1))


def _chained(first: Matrix, then: Matrix) -> Matrix:
    return np.column_stack([then[:, :2] @ first[:, :2], then[:, :2] @ first[:, 2] + then[:, 2]])
