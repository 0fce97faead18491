"""A head as maps over a cylinder: how far its surface is from the axis, and its paint.

The axis is vertical, through the ears. A map has a row for each height v and a column for each angle theta
(0 = straight ahead). The radius is one number a place, so nose, lips, a jaw over a neck and hair are all bumps of
one height field: a ray can be marched against it, and its slopes are the normals.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepfake_pipeline.media.render.identity import Expression, Identity

Array = NDArray[np.floating[Any]]

SPAN = float(np.deg2rad(130.0))  # columns reach from -SPAN to SPAN; what lies behind repeats the last one
TOP, BOTTOM = 165.0, -175.0  # mm, the rows
FOREHEAD, EAR = 60.0, float(np.deg2rad(72.0))  # mm and radians: where face detectors draw top and sides of a box
REACH = 84.0  # mm: u = REACH * sin(theta), so that a feature is a function of a column and one of a row


@dataclass(frozen=True)
class HeadMaps:
    """Height field and paint of one head, rows x columns, float32.

    Attributes:
        radius: mm from the axis; negative where there is nothing.
        paint: 4 channels: RGB reflectance (linear, [0, 1]) and gloss in [0, 1].
        relief: 4 channels: slope of the radius along theta and along v (mm per mm), openness to the sky in
            [0, 1.1], share of hair in [0, 1].
        outline: points (N, 3) in mm on the face from chin to forehead and from ear to ear, without hair: what a
            box around the face has to hold.
        landmarks: points (5, 3) in mm: eyes, tip of the nose, corners of the mouth; left and right as seen.
    """

    radius: Array
    paint: Array
    relief: Array
    outline: Array
    landmarks: Array

    def columns(self, theta: Array) -> Array:
        """Columns of angles in radians."""
        return np.asarray((theta + SPAN) * ((self.radius.shape[1] - 1) / (2 * SPAN)), np.float32)

    def rows(self, v: Array) -> Array:
        """Rows of heights in mm."""
        return np.asarray((TOP - v) * ((self.radius.shape[0] - 1) / (TOP - BOTTOM)), np.float32)


def soft_step(distance: Array, width: float) -> Array:
    """0 well outside (distance < 0), 1 well inside, a ramp ``width`` wide between."""
    return np.clip(distance / width + 0.5, 0, 1)


def hill(distance: Array, width: float) -> Array:
    """A Gaussian ridge of height 1 where the distance is 0."""
    return np.exp(-((distance / width) ** 2))


class Clay:
    """A head being made: coordinates of the maps, the maps so far, and the tools that features share.

    Attributes:
        v, u, theta: height (rows, 1), feature coordinate and angle (1, columns).
        side: absolute u.
        radius, gloss, hair: (rows, columns); paint: (rows, columns, 3).
        mm, arc: distance of rows and about that of columns, mm.
        edge: mm, width of a painted edge that neither jags nor smears at this resolution.
    """

    def __init__(self, person: Identity, face: Expression, density: float) -> None:
        self.person, self.face = person, face
        rows, columns = round((TOP - BOTTOM) * density), round(2 * SPAN * REACH * density)
        self.edge = max(1.0, 0.9 / density)
        self.mm, self.arc = (TOP - BOTTOM) / (rows - 1), 2 * SPAN * REACH / (columns - 1)
        self.v: Array = np.linspace(TOP, BOTTOM, rows, dtype=np.float32)[:, None]
        self.theta: Array = np.linspace(-SPAN, SPAN, columns, dtype=np.float32)[None, :]
        beyond = (np.abs(self.theta) - np.pi / 2).clip(0)
        sine = np.sin(np.clip(self.theta, -np.pi / 2, np.pi / 2))
        self.u: Array = np.asarray(REACH * (sine + np.sign(self.theta) * beyond), np.float32)
        self.side = np.abs(self.u)
        self.rng = np.random.default_rng(person.seed)
        self.radius: Array = np.zeros((rows, columns), np.float32)
        self.gloss: Array = np.full((rows, columns), 0.35, np.float32)
        self.hair: Array = np.zeros((rows, columns), np.float32)
        self.paint: Array = np.empty((rows, columns, 3), np.float32)
        self.paint[:] = person.skin

    def part(self, u: float, v: float, width: float, height: float) -> Clay:
        """The clay within so many mm around a place: what is done to it is done to this one. It has no noise."""
        rows = slice(*np.flatnonzero(np.abs(self.v[:, 0] - v) < height)[[0, -1]])
        columns = slice(*np.flatnonzero(np.abs(self.u[0] - u) < width)[[0, -1]])
        part = copy.copy(self)
        part.v, part.u, part.theta, part.side = (
            self.v[rows],
            self.u[:, columns],
            self.theta[:, columns],
            self.side[:, columns],
        )
        for name in ("radius", "gloss", "hair", "paint"):
            setattr(part, name, getattr(self, name)[rows, columns])
        return part

    @property
    def mouth_corner(self) -> tuple[float, float]:
        """u > 0 and v of the corner of the mouth."""
        person, face = self.person, self.face
        return person.mouth_w + 0.7 * face.smile - 0.25 * face.open, person.mouth_v + 0.75 * face.smile

    @property
    def chin(self) -> float:
        """v of the chin; it goes down with the jaw."""
        return -111 - self.person.chin - 0.55 * self.face.open

    def blob(self, u: float, v: float, width: float, height: float, *, both: bool = False) -> Array:
        """A Gaussian hill of height 1; with ``both`` on the left and on the right."""
        return hill((self.side if both else self.u) - u, width) * hill(self.v - v, height)

    def noise(self, grain_u: float, grain_v: float) -> Array:
        """Smooth noise with mean 0, deviation about 1 and grains of so many mm, the same at any resolution."""
        cells = max(2, round((TOP - BOTTOM) / grain_v)), max(2, round(2 * SPAN * REACH / grain_u))
        grid = self.rng.standard_normal(cells, dtype=np.float32)
        return self.enlarged(grid) * np.float32(1.25)

    def enlarged(self, coarse: Array) -> Array:
        """A coarse map at full resolution."""
        return np.asarray(cv2.resize(coarse, self.radius.shape[::-1], interpolation=cv2.INTER_CUBIC))

    def mix(self, colour: ArrayLike, share: Array) -> None:
        """Paint a colour over what is there, opaque where ``share`` is 1."""
        self.paint += (np.asarray(colour, np.float32) - self.paint) * share[..., None]

    def darken(self, share: Array) -> None:
        """Take a share of the light away."""
        self.paint *= (1 - share)[..., None]

    def point(self, u: float, v: float) -> Array:
        """The surface point (x, y, z) in mm at feature coordinates."""
        theta = np.arcsin(u / REACH)
        row = np.interp(v, self.v[::-1, 0], np.arange(len(self.v))[::-1])
        column = np.interp(theta, self.theta[0], np.arange(self.theta.size))
        place = np.full((1, 1), column, np.float32), np.full((1, 1), row, np.float32)
        radius = float(cv2.remap(self.radius, *place, cv2.INTER_LINEAR)[0, 0])
        return np.array([radius * np.sin(theta), v, radius * np.cos(theta)], np.float32)

    def outline(self) -> Array:
        """Points of the face as it is now, see :class:`HeadMaps`."""
        rows = np.flatnonzero((self.v[:, 0] > self.chin) & (self.v[:, 0] < FOREHEAD))
        columns = np.flatnonzero(np.abs(self.theta[0]) < EAR)
        rows, columns = rows[:: max(1, len(rows) // 40)], columns[:: max(1, len(columns) // 40)]
        radius, theta = self.radius[np.ix_(rows, columns)], self.theta[:, columns]
        height = np.broadcast_to(self.v[rows], radius.shape)
        return np.stack([radius * np.sin(theta), height, radius * np.cos(theta)], axis=-1).reshape(-1, 3)

    def fired(self, outline: Array, landmarks: Array) -> HeadMaps:
        """The finished maps."""
        radius = np.asarray(self.radius, np.float32)
        across = cv2.Sobel(radius, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
        across /= 2 * SPAN / (radius.shape[1] - 1) * np.maximum(radius, 20)
        upwards = cv2.Sobel(radius, cv2.CV_32F, 0, 1, ksize=3, scale=-1 / 8 / self.mm)
        # a place that lies lower than its surroundings sees less of the sky
        openness = np.ones_like(radius)
        for reach, weight in ((3.0, 0.10), (9.0, 0.045)):
            around = cv2.GaussianBlur(radius, (0, 0), reach / self.mm)
            openness -= weight * np.clip(around - radius, -1, 6)
        paint = np.dstack([np.clip(self.paint, 0.001, 0.95), np.clip(self.gloss, 0, 1)])
        relief = np.dstack([across, upwards, np.clip(openness, 0.25, 1.1), self.hair])
        return HeadMaps(radius, np.asarray(paint, np.float32), np.asarray(relief, np.float32), outline, landmarks)
