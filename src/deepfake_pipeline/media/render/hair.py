"""Hair and beards."""

from __future__ import annotations

import cv2
import numpy as np

from deepfake_pipeline.media.render.features import skull
from deepfake_pipeline.media.render.maps import Array, Clay, hill, soft_step

_THICK = {  # mm off the head
    "bald": 0.3,
    "buzz": 2.0,
    "short": 10.0,
    "parted": 15.0,
    "fringe": 11.0,
    "bob": 15.0,
    "long": 13.0,
    "curly": 26.0,
    "tied": 4.0,
}
FALLING = ("bob", "long", "curly")  # styles that cover the ears
_DENSITY = {"shadow": 0.22, "stubble": 0.45}  # of a beard; others are full
_LENGTH = {"shadow": 0.0, "stubble": 0.6}  # mm


def beard(clay: Clay, lips: Array) -> None:
    """From a shaved shadow to a full beard, on moustache, chin, jaw and sideburns."""
    p, v, side = clay.person, clay.v, clay.side
    if p.beard == "none":
        return
    half, corner_v = clay.mouth_corner
    above = (v - corner_v - 1.5) / (p.nose_v - 11 - corner_v)
    moustache = soft_step(above, 0.3) * soft_step(1.02 - above, 0.3) * soft_step(half + 5 - side, 6)
    if p.beard == "moustache":
        region = moustache
    elif p.beard == "goatee":
        chin = soft_step(clay.chin + 25 - v, 8) * soft_step(24 - side, 8)
        round_mouth = hill(side - half - 4, 4.5) * soft_step(corner_v + 6 - v, 8) * soft_step(v - clay.chin - 8, 8)
        region = np.maximum(np.maximum(moustache, chin), round_mouth)
    else:
        jaw = corner_v + 4 + 0.012 * (side - 24).clip(0) ** 2 + 3 * clay.noise(10, 10)
        cheeks = soft_step(jaw - v, 10) * soft_step(side - half + 4 + (v - clay.chin - 40).clip(-60, 0), 10)
        region = np.maximum(np.maximum(cheeks, soft_step(clay.chin + 27 - v, 8)), moustache)
    region = region * (1 - lips) * soft_step(v - clay.chin + 8, 14)
    region = region * soft_step(np.deg2rad(92) - np.abs(clay.theta), 0.15)
    density = region * np.clip(_DENSITY.get(p.beard, 0.88) + 0.22 * clay.noise(1.3, 1.8), 0, 0.96)
    clay.mix(0.8 * np.asarray(p.hair, np.float32) + np.array([0, 0.002, 0.006], np.float32), density)
    length = _LENGTH.get(p.beard, 5.0)
    clay.radius += region * (length + min(0.8, 0.25 * length) * clay.noise(2.2, 4))
    clay.gloss -= 0.2 * region
    if length > 1:
        clay.hair = np.maximum(clay.hair, density)


def hairdo(clay: Clay) -> None:
    """Hair by style: where it grows, how far it stands off, and its strands."""
    p, v = clay.person, clay.v
    thick, falls = _THICK[p.style], p.style in FALLING
    short, stands = thick < 5, falls or p.style == "fringe"
    part = float(clay.rng.uniform(4, 16)) * (1 if clay.rng.uniform() < 0.5 else -1)  # degrees off the middle
    degrees = np.rad2deg(clay.theta)
    ragged = 2.2 * clay.noise(7, 400) + 1.8 * clay.noise(2.5, 400)
    ragged = ragged * (0.4 if falls else 0.5 if short else 1.5 if p.style == "fringe" else 1)
    line = _hairline(clay, part)
    slope = np.gradient(line[0], clay.arc)
    depth = (v - line - ragged) / np.sqrt(1 + slope**2, dtype=np.float32)  # mm into the hair from its edge
    mask = soft_step(depth, 8.0 if short else 4.0)
    crown = soft_step(v - 60, 70)
    rise: Array = 0.75 + 0.25 * crown
    if p.style == "short":
        rise = 0.6 + 0.4 * crown
    elif p.style == "parted":
        rise = 0.4 + 0.6 * crown * np.where(degrees > part, 1.0, 0.7)
    waves = clay.noise(16, 70) + 0.6 * clay.noise(6, 50)
    strands = clay.noise(1.5, 30) + 0.5 * clay.noise(4, 60)
    if p.style == "curly":
        waves, strands = clay.noise(11, 11) + 0.8 * clay.noise(6, 6), clay.noise(2.6, 3.2)
    # hair rises slowly from its line; only a fringe and what falls beside the face has an edge that stands off
    root = np.clip((depth - 2 * stands) / (11.0 if stands else 20.0), 0, 1) ** 0.7
    off_axis = np.clip(clay.radius / 50, 0, 1)
    lift = (skull(clay, thick) - skull(clay)) * rise * root + 0.09 * thick * waves * root * off_axis
    clay.radius += cv2.GaussianBlur(np.asarray(lift, np.float32), (0, 0), 0.9 / clay.mm)
    clay.radius += mask * off_axis * strands * np.float32(0.3 * min(1.0, thick / 6))
    if falls:  # below the jaw it hangs straight down, whatever the neck does
        hang = 68 * p.width + 0.8 * thick + 1.5 * waves + 0.3 * strands
        clay.radius += (hang - clay.radius).clip(0) * soft_step(depth - 6, 8) * soft_step(5 - v, 60)
    tone = np.exp(0.26 * strands + 0.16 * waves) * (0.75 + 0.25 * root)
    if falls or p.style == "parted":
        tone = tone * (1 - 0.4 * hill(degrees - (0.6 if falls else 1.0) * part, 2.0) * crown)
    opaque = mask * {"bald": 0.3, "buzz": 0.8}.get(p.style, 1.0)
    if short:
        opaque = opaque * np.clip(0.85 + 0.2 * strands, 0, 1)
    clay.mix(np.asarray(p.hair, np.float32) * tone[..., None], opaque)
    if not short:
        clay.hair = np.maximum(clay.hair, mask)


def _hairline(clay: Clay, part: float) -> Array:
    """Height (1, columns) above which hair grows: forehead, temples, before the ears, round the nape."""
    p = clay.person
    degrees = np.abs(np.rad2deg(clay.theta))
    bend = [0, 20, 36, 46, 53, 59, 65, 70, 76, 82, 90, 106, 112, 130]
    fall = [0, 1, 5 * p.masculine, -6, -20, -36, -52, -72, -82, -62, -48, -50, -150, -160]
    line: Array = np.interp(degrees, bend, fall) + p.hairline
    if p.style == "bald":
        line = line + np.interp(degrees, [0, 60, 75, 90, 130], [75, 70, 25, 0, 0])
    elif p.style == "fringe":
        drop = p.hairline - p.brow_v - 9 - 6 * np.sin(clay.theta * 1.5 + part)
        line = line - np.interp(degrees, [0, 40, 52, 64], [1, 1, 0.3, 0]) * drop
    elif p.style in FALLING:  # from a parting to both sides of the face
        away = np.abs(np.rad2deg(clay.theta) - 0.6 * part)
        curtain = np.interp(away, [0, 10, 24, 36, 45, 52, 58, 63], [-4, -1, 10, 30, 62, 110, 200, 420])
        reach = {"bob": -92.0, "long": -400.0, "curly": -125.0}[p.style]
        line = np.maximum(p.hairline - curtain, reach + 5 * np.cos(clay.theta * 3))
    return np.asarray(line, np.float32)
