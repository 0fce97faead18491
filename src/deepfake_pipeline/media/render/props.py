"""What is around a face: clothes over the shoulders, glasses, and the place behind."""

from __future__ import annotations

import cv2
import numpy as np

from deepfake_pipeline.media.render.hair import FALLING
from deepfake_pipeline.media.render.identity import Identity, lab_to_linear
from deepfake_pipeline.media.render.maps import Array, HeadMaps
from deepfake_pipeline.media.render.scene import Light, View, dot

_SUBPIXEL = 4  # bits of cv2's fixed-point coordinates
_FRAMES = {"dark": (0.010, 0.009, 0.009), "metal": (0.16, 0.15, 0.13)}  # linear RGB


def shoulders(
    person: Identity, view: View, light: Light, rng: np.random.Generator, height: int, width: int
) -> tuple[Array, Array]:
    """Clothes: linear RGB (rows, width, 3) and coverage (rows, width) in [0, 1] of the lowest rows of a picture.

    All rows are left out that lie above the shoulders.
    """
    at = view.project(np.array([[0, -132, -15]], np.float32))[0]
    first = int(np.clip(at[1] - 40 * view.scale, 0, height))
    height, at[1] = height - first, at[1] - first
    roll = np.deg2rad(0.35 * view.roll)  # the body stays more upright than the head
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    right, down = (columns - at[0]) / view.scale, (rows - at[1]) / view.scale
    x, y = right * np.cos(roll) + down * np.sin(roll), down * np.cos(roll) - right * np.sin(roll)
    neck, broad = 56 + 8 * person.masculine, 175 + 30 * person.masculine
    over = (np.abs(x) - neck).clip(0)
    top = 2 + rng.uniform(0.32, 0.5) * over + 60 * (over / (broad - neck)).clip(0, 3) ** 6
    deep = rng.uniform(8, 26) if rng.uniform() < 0.6 else rng.uniform(30, 75)
    across = np.abs(x) / (neck + 6)
    collar = np.sqrt(np.clip(1 - across**2, 0, 1)) if rng.uniform() < 0.7 else np.clip(1 - across, 0, 1)
    inside = y - top - deep * collar  # mm below the edge of the cloth
    rounded = np.clip(x / broad, -0.98, 0.98)
    normals = np.stack([0.75 * rounded, 0.55 * np.exp(-inside.clip(0) / 45), 0.9 * np.sqrt(1 - rounded**2)])
    normals /= np.linalg.norm(normals, axis=0)
    folds = cv2.resize(rng.standard_normal((7, 9), np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    weave = cv2.GaussianBlur(rng.standard_normal((height, width), np.float32), (0, 0), 0.8)
    tone = 1 + 0.12 * folds + 0.10 * weave
    striped, level, period = rng.uniform() < 0.25, rng.uniform() < 0.4, rng.uniform(0.25, 0.7)
    if striped:
        tone = tone * (1 + 0.35 * (np.sin((x if level else y) * period) > 0.3))
    tone = tone * (1 - 0.35 * np.exp(-(((inside - 3.0) / 1.4) ** 2)))  # the seam
    # clothes change from picture to picture: nobody shall be told by a shirt
    lab = float(rng.uniform(12, 85)), float(rng.uniform(-30, 35)), float(rng.uniform(-40, 35))
    colour = np.array(lab_to_linear(lab), np.float32)
    energy = light.key * np.clip(dot(light.key_from, normals), 0, 1)[..., None]
    energy += light.fill * np.clip(dot(light.fill_from, normals), 0, 1)[..., None] + 0.8 * light.sky
    cloth = np.clip(colour * tone[..., None], 0.004, 0.9) * energy
    return np.asarray(cloth, np.float32), np.clip(inside * view.scale + 0.5, 0, 1)


def put_on_glasses(picture: Array, person: Identity, head: HeadMaps, view: View) -> None:
    """Draw the rims, the bridge and the nearer arm of this person's glasses, if any, into linear RGB."""
    if person.glasses == "none":
        return
    thick = max(1, round((3.2 if person.glasses == "dark" else 1.6) * view.scale))
    eyes = head.landmarks[:2]
    front = float(eyes[:, 2].mean()) + 16
    turns = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    square = 2.0 / (3.2 if person.masculine > 0.5 else 2.3)  # superellipse: 1 is an ellipse, less is squarer
    ring_x = 24 * np.sign(np.cos(turns)) * np.abs(np.cos(turns)) ** square
    ring_y = 18 * np.sign(np.sin(turns)) * np.abs(np.sin(turns)) ** square - 2
    mask, lenses = np.zeros(picture.shape[:2], np.uint8), np.zeros(picture.shape[:2], np.uint8)
    for side, centre in ((-1, float(eyes[0, 0])), (1, float(eyes[1, 0]))):
        x = centre + ring_x
        ring = _fixed(view.project(np.stack([x, ring_y, front - 0.004 * x**2], axis=1)))
        cv2.fillPoly(lenses, [ring], 255, cv2.LINE_AA, _SUBPIXEL)
        cv2.polylines(mask, [ring], True, 255, thick, cv2.LINE_AA, _SUBPIXEL)
        outwards = side * float(view.rotation[2, 0])
        if outwards > 0.05 and person.style not in FALLING:  # the arm on the side that is turned to the viewer
            arm = [[centre + side * 24, 6, front - 8], [side * 77 * person.width, 6, 20], [side * 77, 4, 0]]
            cv2.polylines(mask, [_fixed(view.project(np.array(arm)))], False, 255, thick, cv2.LINE_AA, _SUBPIXEL)
    bridge = np.array([[eyes[0, 0] + 23, 3, front], [0, 6, front + 2], [eyes[1, 0] - 23, 3, front]])
    cv2.polylines(mask, [_fixed(view.project(bridge))], False, 255, thick, cv2.LINE_AA, _SUBPIXEL)
    for layer, colour, share in ((lenses, (0.35, 0.38, 0.42), 0.05), (mask, _FRAMES[person.glasses], 0.95)):
        picture += (np.array(colour, np.float32) - picture) * (layer.astype(np.float32) * share / 255)[..., None]


def _fixed(points: Array) -> Array:
    return np.round(points * (1 << _SUBPIXEL)).astype(np.int32)


def background(rng: np.random.Generator, height: int, width: int) -> Array:
    """Out of focus surroundings, linear RGB: a wall, a gradient, shapes of a room, or lights."""

    def colour() -> Array:
        hue = 1 + rng.uniform(-1, 1, 3) * rng.uniform(0, 0.45)
        return np.asarray(np.clip(rng.beta(1.3, 1.8) * 0.8 * hue, 0.01, 0.95), np.float32)

    def somewhere(low: float, high: float) -> list[int]:
        return [int(rng.uniform(low, high) * side) for side in (width, height)]

    kind = rng.choice(["wall", "gradient", "room", "lights"], p=[0.25, 0.2, 0.35, 0.2])
    first, second, angle = colour(), colour(), rng.uniform(0, 2 * np.pi)
    ys, xs = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j]
    ramp = np.clip(0.5 + xs * np.cos(angle) + ys * np.sin(angle), 0, 1)[..., None]
    picture = np.asarray(first + (second - first) * ramp, np.float32)
    size = max(height, width)
    if kind == "room":
        for _ in range(rng.integers(3, 9)):
            corner, extent = somewhere(-0.2, 1.0), somewhere(0.1, 0.7)
            far = [corner[0] + extent[0], corner[1] + extent[1]]
            cv2.rectangle(picture, corner, far, colour().tolist(), -1)
    elif kind == "lights":
        for _ in range(rng.integers(6, 18)):
            radius = int(size * rng.uniform(0.02, 0.09))
            cv2.circle(picture, somewhere(0, 1), radius, (1.4 * colour()).tolist(), -1, cv2.LINE_AA)
    if kind != "gradient":
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), size * float(rng.uniform(0.008, 0.03))))
    texture = np.zeros((height, width), np.float32)
    for cells in (5, 11, 23, 47, 95, 190):
        grid = rng.standard_normal((cells, cells), np.float32) * np.float32((5 / cells) ** 0.8)
        texture += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    strength = rng.uniform(0.08, 0.22) if kind == "wall" else rng.uniform(0.02, 0.08)
    return np.clip(picture * (1 + np.float32(strength) * texture[..., None]), 0.003, 1.5)
