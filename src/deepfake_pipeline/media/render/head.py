"""A whole head: its features in the order in which they lie over one another, and where its landmarks are."""

from __future__ import annotations

import numpy as np

from deepfake_pipeline.media.render import features, hair
from deepfake_pipeline.media.render.identity import Expression, Identity
from deepfake_pipeline.media.render.maps import Array, Clay, HeadMaps


def build_head(person: Identity, face: Expression, density: float) -> HeadMaps:
    """Maps of one person with one expression.

    Args:
        person: who it is.
        face: what the face does.
        density: rows per mm; about the pixels per mm of the picture to be made.
    """
    clay = Clay(person, face, density)
    features.bones(clay)
    features.nose(clay)
    features.skin(clay)
    features.brows(clay)
    for side in (-1, 1):
        features.eye(clay, side)
    lips = features.mouth(clay)
    outline, landmarks = clay.outline(), _landmarks(clay)
    if person.style not in hair.FALLING:
        features.ears(clay)
    hair.beard(clay, lips)
    hair.hairdo(clay)
    return clay.fired(outline, landmarks)


def _landmarks(clay: Clay) -> Array:
    """Centres of the eye openings, the most prominent point of the nose, corners of the mouth; (5, 3) in mm."""
    p = clay.person
    middle = clay.radius.shape[1] // 2
    near = np.abs(clay.v[:, 0] - p.nose_v) < 8
    tip = float(clay.v[near, 0][np.argmax(clay.radius[near, middle])])
    half, corner_v = clay.mouth_corner
    places = [(-p.eye_u, 0.7), (p.eye_u, 0.7), (0.0, tip), (-half, corner_v), (half, corner_v)]
    return np.stack([clay.point(u, v) for u, v in places])
