"""From a head, a view and a light to pixels: rays against the height field, then shading."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from deepfake_pipeline.media.render.maps import Array, HeadMaps

_NEAR, _FAR = 135.0, -75.0  # mm along the view, from the axis of the head
_STRIDE = 4.5, 24.0  # mm, of the search for the surface: close to it and far from it
_FOLD = 1024  # cv2.remap takes no side over 32767: lists of points are folded into rows


@dataclass(frozen=True)
class View:
    """How a head is turned (degrees) and where it is (px).

    yaw > 0 turns the face to the right of the picture, pitch > 0 up, roll > 0 clockwise. ``x, y`` is where the
    point of the axis at the height of the eyes comes to lie; ``scale`` is in px per mm.
    """

    yaw: float
    pitch: float
    roll: float
    scale: float
    x: float = 0.0
    y: float = 0.0

    @property
    def rotation(self) -> Array:
        """3 x 3, from the head's frame to the camera's (x right, y up, z to the viewer)."""
        yaw, pitch, roll = np.deg2rad([self.yaw, self.pitch, self.roll])
        cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
        cr, sr = np.cos(roll), np.sin(roll)
        about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
        about_z = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
        return np.asarray(about_z @ about_x @ about_y, np.float32)

    def project(self, points: Array) -> Array:
        """Pixel centres (N, 2) of head points (N, 3) in mm."""
        turned = np.asarray(points, np.float32) @ self.rotation.T
        return np.stack([self.x + self.scale * turned[:, 0], self.y - self.scale * turned[:, 1]], axis=1)

    def placed(self, point: tuple[float, float, float], x: float, y: float) -> View:
        """The same view with a point of the head (mm) at a place (px)."""
        at = self.project(np.array([point], np.float32))[0]
        return replace(self, x=self.x + x - float(at[0]), y=self.y + y - float(at[1]))


@dataclass(frozen=True)
class Light:
    """A key light that casts shadows, a weaker one from elsewhere, and light from all around.

    Colours are linear RGB intensities, directions unit vectors towards the light in the camera's frame.
    """

    key: Array
    key_from: Array
    fill: Array
    fill_from: Array
    sky: Array
    ground: Array


def light_of(rng: np.random.Generator) -> Light:
    """A random light: the key within 65 degrees of the camera to the sides, 10 below to 60 above."""
    azimuth, height = np.deg2rad(rng.uniform(-65, 65)), np.deg2rad(rng.uniform(-10, 60))
    warmth, hard = rng.normal(0, 0.09), rng.uniform(0.35, 1.0)
    warm, cool = np.array([1 + warmth, 1, 1 - warmth]), np.array([1 - 0.6 * warmth, 1, 1 + 0.6 * warmth])
    key = (0.45 + 0.75 * hard) * rng.uniform(0.85, 1.15)
    around = (0.30 + 0.45 * (1 - hard)) * rng.uniform(0.8, 1.2)
    towards = [np.sin(azimuth) * np.cos(height), np.sin(height), np.cos(azimuth) * np.cos(height)]
    other = np.array([-np.sign(azimuth) * rng.uniform(0.6, 1.0), rng.uniform(-0.2, 0.5), rng.uniform(-0.3, 0.5)])
    parts = (
        key * warm,
        towards,
        rng.uniform(0, 0.35) * key * cool,
        other / np.linalg.norm(other),
        around * cool,
        around * rng.uniform(0.4, 0.7) * warm,
    )
    return Light(*(np.asarray(part, np.float32) for part in parts))


def shade(head: HeadMaps, view: View, light: Light, height: int, width: int) -> tuple[Array, Array]:
    """The head as linear RGB (height, width, 3) and coverage (height, width), 0 or 1."""
    pixels, points = _cast(head, view, height, width)
    theta = np.arctan2(points[0], points[2])
    columns, rows = head.columns(theta), head.rows(points[1])
    paint, relief = _lookup(head.paint, columns, rows), _lookup(head.relief, columns, rows)
    across, upwards, openness, hair = relief.T
    sine, cosine = np.sin(theta), np.cos(theta)
    normals = np.stack([sine - across * cosine, -upwards, cosine + across * sine])
    normals /= np.linalg.norm(normals, axis=0)
    back = view.rotation.T
    eye = back[:, 2]
    share = 0.5 + 0.5 * dot(view.rotation[1], normals)[:, None]
    energy = (light.ground * (1 - share) + light.sky * share) * openness[:, None] ** np.float32(1.5)
    shine = np.zeros_like(hair)
    # light enters skin and comes out beyond the edge of a shadow, red farther than blue: wrapped diffuse light
    wrap = np.array([0.32, 0.16, 0.10], np.float32) * (1 - hair)[:, None]
    for colour, source, casts in ((light.key, light.key_from, True), (light.fill, light.fill_from, False)):
        towards = back @ source
        facing = dot(towards, normals)
        lit = _lit(head, points, towards) if casts else np.ones_like(facing)
        diffuse = np.clip((facing[:, None] + wrap) / (1 + wrap), 0, 1)
        diffuse *= lit[:, None] ** np.array([0.8, 1, 1.05], np.float32)
        energy += colour * diffuse * np.minimum(1, openness + 0.1)[:, None]
        shine += colour[1] * lit * _shine(normals, towards, eye, paint[:, 3], hair, facing)
    picture = np.zeros((height * width, 3), np.float32)
    picture[pixels] = paint[:, :3] * energy + shine[:, None]
    cover = np.zeros(height * width, np.float32)
    cover[pixels] = 1
    return picture.reshape(height, width, 3), cover.reshape(height, width)


def dot(vector: Array, points: Array) -> Array:
    """Products (...) of one vector (3,) with many (3, ...); BLAS would round differently on other thread counts."""
    return np.asarray(vector[0] * points[0] + vector[1] * points[1] + vector[2] * points[2])


def _shine(normals: Array, towards: Array, eye: Array, gloss: Array, hair: Array, facing: Array) -> Array:
    """Reflection of a light: broad on skin, sharp where it is wet (Blinn 1977), a band across hair."""
    half = (towards + eye) / np.linalg.norm(towards + eye)
    spread = np.clip(dot(half, normals), 0, 1)
    skin = (0.10 * gloss * spread**14 + 0.55 * gloss**4 * spread**60) * (facing > 0)
    band = np.clip(1 - (half[1] - 0.55 * normals[1]) ** 2 * 6, 0, 1) * np.clip(facing + 0.2, 0, 1)
    return np.where(hair > 0.5, 0.042 * band, skin)


def _lookup(texture: Array, columns: Array, rows: Array) -> Array:
    """Values (N,) or (N, C) of a map at N places, bilinear, the border repeated."""
    folds = -(-columns.size // _FOLD)
    across, down = (np.resize(part, (folds, _FOLD)) for part in (columns, rows))
    found = cv2.remap(texture, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found).reshape(folds * _FOLD, *texture.shape[2:])[: columns.size]


def _above(head: HeadMaps, points: Array) -> Array:
    """How far points (3, N) are outside of the surface, in mm from the axis."""
    columns = head.columns(np.arctan2(points[0], points[2]))
    return np.hypot(points[0], points[2]) - _lookup(head.radius, columns, head.rows(points[1]))


def _lit(head: HeadMaps, points: Array, towards: Array) -> Array:
    """Share of a light that reaches surface points (3, N), in [0, 1], soft at the edges of shadows."""
    lit = np.ones(points.shape[1], np.float32)
    for reach in (4.0, 8.0, 13.0, 20.0, 30.0, 44.0, 62.0):
        clear = _above(head, points + np.float32(reach) * towards[:, None]) + 1.2
        lit = np.minimum(lit, clear / np.float32(0.16 * reach + 0.8))
    return np.clip(lit, 0, 1)


def _cast(head: HeadMaps, view: View, height: int, width: int) -> tuple[Array, Array]:
    """Where parallel rays through the pixels first hit the head.

    Returns:
        flat numbers (N,) of the pixels that see it, and the points (3, N) that they see, mm, head's frame.
    """
    rows, columns = np.mgrid[0:height, 0:width].reshape(2, -1).astype(np.float32)
    x, y = (columns - np.float32(view.x)) / view.scale, (np.float32(view.y) - rows) / view.scale
    cosine, sine = np.cos(np.deg2rad(view.roll)), np.sin(np.deg2rad(view.roll))
    across, along = x * cosine - y * sine, x * sine + y * cosine
    live = np.flatnonzero((np.abs(across) < 135) & (along < 185) & (along > -260))
    back = view.rotation.T
    there = np.stack([x[live], y[live], np.full(live.size, _NEAR, np.float32)])
    start = np.stack([dot(row, there) for row in back])
    step = -back[:, 2:]
    near, gap_near = np.zeros(live.size, np.float32), _above(head, start)
    hits = []
    while live.size:
        far = near + np.clip(0.6 * gap_near, *_STRIDE).astype(np.float32)
        gap_far = _above(head, start + far * step)
        hit = gap_far < 0
        hits.append((live[hit], start[:, hit], near[hit], gap_near[hit], far[hit], gap_far[hit]))
        keep = ~hit & (far < _NEAR - _FAR)
        live, start, near, gap_near = live[keep], start[:, keep], far[keep], gap_far[keep]
    pixels, start, near, gap_near, far, gap_far = (np.concatenate(part, axis=-1) for part in zip(*hits, strict=True))
    for halve in (True, True, True, False, False):  # a wall needs bisection; what is left is a straight line
        middle = near + (far - near) * (np.float32(0.5) if halve else gap_near / (gap_near - gap_far))
        gap = _above(head, start + middle * step)
        inside = gap < 0
        far, gap_far = np.where(inside, middle, far), np.where(inside, gap, gap_far)
        near, gap_near = np.where(inside, near, middle), np.where(inside, gap_near, gap)
    return pixels, start + (near + (far - near) * gap_near / (gap_near - gap_far)) * step
