"""What a face is made of, from the skull outwards. Each function adds one feature to the clay."""

from __future__ import annotations

import cv2
import numpy as np

from deepfake_pipeline.media.render.maps import BOTTOM, SPAN, TOP, Array, Clay, hill, soft_step


def skull(clay: Clay, hair: float = 0.0) -> Array:
    """Radius (mm) of head and neck without features: a front profile, a back profile and half widths by height.

    With ``hair`` the head is larger by so many mm all round.
    """
    p, chin = clay.person, clay.chin
    v = np.linspace(TOP, BOTTOM, 180)[:, None]
    theta = np.linspace(-SPAN, SPAN, 120)[None, :]
    sine, cosine = np.abs(np.sin(theta)), np.cos(theta)
    j = p.jaw
    knots = [-175, chin - 8, chin - 5, chin, chin + 5, chin + 13, -86, -72, -60, -45, -20, 0, 12, 25, 40]
    front = np.array([5, 5, 50, 77, 87, 90.5, 86.5, 90, 91, 90, 89, 88, 90, 93, 93])
    half = np.array([5, 5, 15, 23, 30, 37 * j, 45 * j, 52 * j, 57 * j, 62, 67, 69.5, 71, 72.5, 75]) * p.width
    back = np.array([5, 5, 30, 45, 50, 56, 58, 62, 68, 80, 90, 95, 97, 98, 99])
    dome = np.sqrt(np.clip(1 - ((v - 40).clip(0) / (78 + hair)) ** 2.3, 0, 1))
    to_front, to_side, to_back = ((np.interp(v, knots, k) + hair) * dome + 0.5 for k in (front, half, back))
    power = np.interp(v, [-110, -60, -20, 30, 60], [2.0, 2.1, 2.25, 2.2, 2.05])  # a face is flatter than an ellipse
    depth = np.where(cosine > 0, to_front, to_back)
    head = ((sine / to_side) ** power + (np.abs(cosine) / depth) ** power) ** (-1 / power)
    head -= (v - 118 - hair).clip(0)
    chest = ((-128 - v).clip(0) / 30) ** 2 * 30
    wide = 39 + 12 * p.masculine + chest
    neck = 1 / np.sqrt((sine / wide) ** 2 + (cosine / np.where(cosine > 0, 44 + 0.3 * chest, 66)) ** 2)
    neck -= 60 * soft_step(v + 40, 40)
    joined = np.asarray(np.logaddexp(head / 3, neck / 3) * 3, np.float32)
    return clay.enlarged(cv2.GaussianBlur(joined, (0, 0), 1.1))


def bones(clay: Clay) -> None:
    """Skull, sockets, brow ridge, cheeks, chin, and the folds that come with age and a smile."""
    p, v = clay.person, clay.v
    radius = clay.radius
    radius += skull(clay)
    radius -= 6.0 * clay.blob(p.eye_u - 1, 3, 15, 10, both=True)
    radius -= 3.5 * clay.blob(16, 4, 6, 8, both=True)
    radius += (1.0 + 2.0 * p.masculine) * clay.blob(27, p.brow_v, 20, 6, both=True)
    radius += p.cheek * clay.blob(42, -24, 19, 17, both=True)
    radius -= 2.0 * clay.blob(46, -62, 12, 18, both=True)
    radius += 2.5 * clay.blob(0, clay.chin + 14, 13, 9)
    crease = clay.side - (p.nose_w + 4 + (p.nose_v + 2 - v) * 0.42)
    depth = 0.5 + 1.3 * p.age + 0.22 * max(0.0, clay.face.smile)
    radius -= depth * hill(crease, 2.6) * soft_step(p.nose_v + 4 - v, 10) * soft_step(v - p.mouth_v + 2, 12)
    radius -= (0.3 + 1.2 * p.age) * clay.blob(p.eye_u - 4, -13, 12, 2.6, both=True)
    lines = np.cos((v - 30) * 0.62 + 0.04 * clay.u) * soft_step(v - 30, 8) * soft_step(62 - v, 8)
    radius += 0.45 * max(0.0, p.age - 0.45) * lines * soft_step(50 - clay.side, 20)


def nose(clay: Clay) -> None:
    """Ridge, tip, wings and nostrils."""
    p, tip = clay.person, clay.person.nose_v
    heights = [tip - 13, tip - 10, tip - 6, tip - 2.5, tip + 1, tip + 7, -10, 6, 15]
    profile = np.interp(clay.v, heights, [0, 0.14, 0.55, 0.88, 0.97, 0.88, 0.52, 0.2, 0]) * p.nose_h
    profile = cv2.GaussianBlur(np.asarray(profile, np.float32), (1, 0), 0, sigmaY=1.3 / clay.mm)
    waist = np.interp(clay.v, [tip - 8, tip, tip + 10, -6, 6], [8.0, 9.5, 8.4, 7.4, 8.5]) * (p.nose_w / 17)
    clay.radius += profile * hill(clay.u / waist, 1.0)
    clay.radius += 0.36 * p.nose_h * clay.blob(0.66 * p.nose_w, tip - 4, 5.0, 5.2, both=True)
    clay.radius += 0.10 * p.nose_h * clay.blob(0, tip, 7.5, 6.5)
    clay.radius -= 0.9 * clay.blob(0, 0.5 * (tip - 10 + p.mouth_v + p.lip_up), 3.2, 7)
    nostrils = clay.blob(0.44 * p.nose_w, tip - 6.8, 3.1, 2.0, both=True)
    clay.radius -= 1.0 * nostrils
    clay.darken(np.clip(0.85 * nostrils, 0, 1))
    # the crease in which a wing meets the cheek
    wing = np.hypot(clay.side - 0.62 * p.nose_w, 0.9 * (clay.v - tip + 3.5))
    crease = hill(wing - 6.8, 1.3) * soft_step(clay.side - 0.62 * p.nose_w + clay.v - tip, 6)
    clay.radius -= 0.8 * crease
    clay.darken(0.22 * crease)


def skin(clay: Clay) -> None:
    """Blood, pigment and pores; freckles and moles."""
    p = clay.person
    blood = 0.5 * clay.blob(40, -24, 18, 16, both=True) + 0.55 * clay.blob(0, p.nose_v, 12, 10)
    blood += 0.3 * clay.blob(0, -98, 16, 9) + 0.10 * clay.noise(22, 22)
    tint = np.array([0.06, -0.20, -0.18], np.float32) * (0.80 - 0.25 * p.darkness)
    clay.paint *= 1 + blood[..., None] * np.asarray(tint, np.float32)
    shade = 0.22 * clay.blob(p.eye_u - 3, -9, 13, 6, both=True)
    shade += 0.16 * clay.blob(p.eye_u - 4, 7, 13, 6, both=True)
    for size, strength in ((12, 0.03), (4, 0.025), (1.8, 0.028)):
        shade += strength * clay.noise(size, size)
    spots = soft_step(clay.noise(2.6, 2.6) - 1.25, 0.5) * (clay.blob(0, -18, 55, 26) + 0.25)
    shade += 0.30 * p.freckles * spots
    for _ in range(p.moles):
        shade += 0.6 * clay.blob(clay.rng.uniform(-55, 55), clay.rng.uniform(-95, 50), 1.4, 1.4)
    clay.paint *= np.exp(-1.3 * shade[..., None] * np.array([0.8, 1.05, 1.15], np.float32))
    for size, strength in ((1.8, 0.07), (4.5, 0.05 + 0.12 * p.age), (14, 0.12)):
        clay.radius += np.float32(strength) * clay.noise(size, size)
    clay.gloss += 0.25 * clay.blob(0, -25, 12, 30) + 0.15 * clay.blob(0, 45, 40, 16) - 0.1 * p.age


def brows(clay: Clay) -> None:
    """Eyebrows: an arch of short hairs."""
    p = clay.person
    along = (clay.side - (p.eye_u - 17)) / 36.0  # 0 at the inner end, 1 at the outer one
    arch = p.brow_arch * (1 - ((along - 0.62) / 0.62) ** 2) - 7 * (along - 0.62).clip(0)
    thick = p.brow_thick * np.clip(1.15 - 0.75 * along, 0.25, 1)
    body = soft_step(thick - np.abs(clay.v - p.brow_v - clay.face.brows - arch), 2.2 * clay.edge)
    body = body * soft_step(along - 0.02, 0.12) * soft_step(1.0 - along, 0.2)
    hair = 0.5 * (1 - 0.4 * p.hair[0]) * np.asarray(p.hair, np.float32)
    clay.mix(hair, body * np.clip(0.92 + 0.22 * clay.noise(1.3, 2.4), 0, 1) * p.brow_strength)
    clay.radius += 0.8 * body
    clay.gloss -= 0.2 * body


def eye(clay: Clay, side: int) -> None:
    """One eye (-1 left, 1 right as seen): lids, lashes, white, iris and pupil on the bulge of the ball."""
    p, face = clay.person, clay.face
    clay = clay.part(side * p.eye_u, 0, 38, 34)
    du = (clay.u - side * p.eye_u) * side  # positive towards the ear
    a = np.clip(du / p.eye_w, -1, 1)
    dv = clay.v - p.eye_tilt * a
    arc = np.clip(1 - np.abs(a + 0.08) ** 2.3, 0, 1)
    upper = p.eye_h * min(face.lids, 1.15) * 1.08 * arc
    lower = -p.eye_h * (0.80 + 0.10 * (1 - face.lids)) * np.clip(1 - np.abs(a - 0.1) ** 2.2, 0, 1)
    near = np.abs(du) < p.eye_w
    opening = soft_step(np.minimum(upper - dv, dv - lower), clay.edge) * near
    crease = hill(dv - upper - p.lid, 1.1) * soft_step(p.eye_w * 0.95 - np.abs(du), 5)
    clay.radius += 4.2 * clay.blob(side * p.eye_u, 0, 13.5, 9.5) - 1.3 * opening - 0.9 * crease
    clay.darken(0.30 * crease)
    clay.mix(np.array([0.56, 0.50, 0.46], np.float32) * (1 - 0.35 * a**2)[..., None], opening)
    at_u, at_v = side * face.gaze_u, 0.6 + face.gaze_v
    distance = np.hypot(du - at_u, clay.v - at_v)
    clay.mix(1.1 * np.asarray(p.iris, np.float32), opening * soft_step(5.9 - distance, clay.edge))
    clay.darken(0.75 * opening * hill(distance - 5.7, 0.9))  # the ring around the iris
    clay.mix((0.004, 0.004, 0.005), opening * soft_step(2.5 - distance, clay.edge))
    clay.darken(0.65 * opening * np.exp(-(upper - dv).clip(0) / 1.8))  # shadow of the upper lid
    clay.mix((0.42, 0.18, 0.16), 0.7 * opening * soft_step(-0.8 - a, 0.15))
    lash = hill(dv - upper - 0.2, 1.28 - 0.43 * p.masculine) * near * soft_step(arc - 0.05, 0.2)
    clay.mix((0.012, 0.010, 0.010), 0.95 * lash)
    clay.darken(0.35 * hill(dv - lower + 0.2, 0.8) * near * soft_step(arc - 0.1, 0.3))
    clay.gloss += opening * (0.55 - clay.gloss)
    # the reflection of a lamp above, which the slopes of so small a ball would miss
    spark = np.exp(-((du - at_u + 1.8 * side) ** 2 + (clay.v - at_v - 2.0) ** 2) / 1.3)
    clay.mix((0.95, 0.95, 0.95), 0.8 * opening * spark)


def mouth(clay: Clay) -> Array:
    """Lips around the line between them, which opens onto teeth and dark. Returns the share of lips."""
    p, face, v = clay.person, clay.face, clay.v
    half, corner_v = clay.mouth_corner
    a = clay.side / half
    between = np.clip(1 - a**2, 0, 1)
    line = p.mouth_v + (corner_v - p.mouth_v) * np.clip(a, 0, 1) ** 2 + 0.3 - 0.5 * hill(a, 0.25)
    top, bottom = line + 0.28 * face.open * between, line - 0.72 * face.open * between
    full = 1 - 0.045 * max(0.0, face.smile)
    bow = np.clip(1 - a**1.7, 0, 1) * (1 - 0.22 * hill(clay.u, 3.6))
    crown, floor = top + p.lip_up * full * bow, bottom - p.lip_low * full * np.clip(1 - a**2.3, 0, 1)
    within = a < 1
    lips = soft_step(crown - v, 1.6 * clay.edge) * soft_step(v - floor, 1.6 * clay.edge) * within
    cavity = soft_step(top - v, clay.edge) * soft_step(v - bottom, clay.edge) * within * min(1.0, face.open / 1.5)
    closed = 1 - min(1.0, face.open / 1.5)
    clay.radius += 2.4 * hill(v - 0.5 * (crown + top), 0.5 * p.lip_up + 1) * between
    clay.radius += 3.2 * hill(v - 0.5 * (floor + bottom), 0.5 * p.lip_low + 1) * between
    groove = hill(v - line, 1.2) * soft_step(1.0 - a, 0.1)
    clay.radius -= 1.6 * closed * groove + 5 * cavity
    clay.radius -= 1.2 * clay.blob(half + 1, corner_v, 3.2, 3.2, both=True)
    wrinkles = 1 + 0.07 * clay.noise(1.6, 7)
    clay.mix(np.asarray(p.lip, np.float32) * wrinkles[..., None], 0.88 * lips)
    clay.darken(0.72 * groove * closed)
    clay.mix((0.035, 0.010, 0.010), cavity)
    edge = top - min(5.5, 0.75 * face.open)
    teeth = cavity * soft_step(v - edge, clay.edge) * soft_step(0.85 - a, 0.2)
    gaps = (0.80 + 0.2 * np.abs(np.sin(clay.u * 0.42)) ** 0.4) * np.clip(1.1 - 0.5 * a, 0, 1)
    clay.mix(np.array([0.62, 0.56, 0.47], np.float32) * gaps[..., None], 0.95 * teeth)
    clay.darken(0.12 * hill(v - floor + 3.5, 3.0) * np.clip(1 - (a / 0.75) ** 2, 0, 1))
    clay.gloss += 0.25 * lips
    return np.maximum(lips, cavity)


def ears(clay: Clay) -> None:
    """Ears: a rim standing off the head, hollow inside."""
    across = (np.abs(clay.theta) - np.deg2rad(95)) * 90
    d = np.hypot(across / 14, (clay.v + 16 + 0.25 * across) / 31)
    clay.radius += 13 * soft_step(1 - d, 0.35) - 5.5 * hill(d, 0.5)
    clay.paint *= 1 + soft_step(1.1 - d, 0.3)[..., None] * np.array([0.05, -0.14, -0.12], np.float32)
    clay.darken(0.5 * hill(d, 0.45) + 0.25 * hill(d - 0.72, 0.1))
