"""Who a rendered person is, and what the face does in one picture: every random choice about a person.

Lengths are millimetres in the frame of the head: u to the right as seen from the front, v up, both 0 between the
eyes. Proportions are about those of adults (Farkas, "Anthropometry of the Head and Face", 1994).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from deepfake_pipeline.tables.ids import stable_seed

RGB = tuple[float, float, float]
Lab = tuple[float, float, float]

# CIELAB of skin from very light to very dark: the individual typology angle (Chardon et al. 1991), atan of
# (L - 50) / b, falls from 56 to -55 degrees, the range that people have.
_SKIN: tuple[Lab, ...] = ((72, 11, 15), (67, 12, 18), (60, 13, 20), (52, 13, 21), (43, 12, 17), (34, 10, 11))
_HAIR: dict[str, Lab] = {
    "black": (10, 1, 1),
    "dark": (17, 4, 6),
    "brown": (28, 8, 14),
    "light": (42, 8, 20),
    "blond": (62, 6, 28),
    "red": (38, 26, 32),
    "grey": (62, 0, 3),
}
_IRIS: dict[str, Lab] = {
    "brown": (22, 12, 16),
    "dark": (12, 6, 8),
    "hazel": (38, 8, 26),
    "green": (46, -8, 18),
    "blue": (54, -4, -16),
}
_STYLES_OF_MEN = {
    **{"bald": 0.10, "buzz": 0.2, "short": 0.42, "parted": 0.2, "fringe": 0.12},
    **{"long": 0.05, "curly": 0.07, "tied": 0.04},
}
_STYLES_OF_WOMEN = {
    **{"buzz": 0.02, "short": 0.08, "parted": 0.08, "fringe": 0.16},
    **{"bob": 0.22, "long": 0.34, "curly": 0.14, "tied": 0.16},
}
_BEARDS = {"none": 0.3, "shadow": 0.22, "stubble": 0.2, "moustache": 0.06, "goatee": 0.09, "full": 0.13}


@dataclass(frozen=True)
class Identity:
    """What stays the same in every picture of one person.

    Attributes:
        seed: of everything irregular about the person, such as freckles and strands.
        skin, hair, iris, lip: reflectance, linear RGB in [0, 1].
        darkness, masculine, age, freckles, brow_strength: shares in [0, 1].
        width, jaw: factors of the width of the head and of its lower third.
        chin: mm longer than usual.
        cheek, nose_h: how far cheeks and nose stand out, mm.
        hairline, brow_v, nose_v, mouth_v: heights above the eyes, mm.
        eye_u: half of the distance of the eyes, mm.
        eye_w, eye_h, nose_w, mouth_w: half widths and half height, mm.
        eye_tilt: how much higher the outer corner of an eye is than its middle, mm.
        lid, brow_arch, brow_thick, lip_up, lip_low: mm.
        moles: how many.
        style, beard, glasses: by name; see :mod:`hair` and :mod:`props`.
    """

    seed: int
    skin: RGB
    hair: RGB
    iris: RGB
    lip: RGB
    darkness: float
    masculine: float
    age: float
    freckles: float
    moles: int
    width: float
    jaw: float
    chin: float
    cheek: float
    hairline: float
    eye_u: float
    eye_w: float
    eye_h: float
    eye_tilt: float
    lid: float
    brow_v: float
    brow_arch: float
    brow_thick: float
    brow_strength: float
    nose_v: float
    nose_w: float
    nose_h: float
    mouth_v: float
    mouth_w: float
    lip_up: float
    lip_low: float
    style: str
    beard: str
    glasses: str


@dataclass(frozen=True)
class Expression:
    """What the face does in one picture.

    Attributes:
        smile: how far the corners of the mouth go up, about mm.
        open: how far the lips are apart, mm.
        lids: opening of the eyes, 1 is usual.
        brows, gaze_u, gaze_v: mm by which brows are raised and irises moved.
    """

    smile: float
    open: float
    lids: float
    brows: float
    gaze_u: float
    gaze_v: float


class _Dice:
    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def about(self, mean: float, spread: float) -> float:
        """A normal number, cut at two deviations."""
        return float(mean + spread * np.clip(self.rng.normal(), -2, 2))

    def one_of(self, weights: Mapping[str, float]) -> str:
        total = sum(weights.values())
        return str(self.rng.choice(list(weights), p=[weight / total for weight in weights.values()]))

    def colour(self, lab: Lab, spread: float = 0.0) -> RGB:
        """Linear RGB of a colour, lighter or darker by about the share ``spread``."""
        gain = self.about(1, spread)
        r, g, b = (channel * gain for channel in lab_to_linear(lab))
        return r, g, b


@lru_cache(maxsize=64)
def identity_of(seed: int, number: int) -> Identity:
    """Person ``number`` of the set ``seed``."""
    key = stable_seed("rendered identity", seed, number)
    dice = _Dice(key)
    rng = dice.rng
    darkness = float(rng.uniform())
    lightness, redness, yellowness = (
        dice.about(float(np.interp(darkness * (len(_SKIN) - 1), range(len(_SKIN)), channel)), 1.3)
        for channel in zip(*_SKIN, strict=True)
    )
    masculine = float(np.clip(rng.choice([0.2, 0.8]) + 0.12 * rng.normal(), 0, 1))
    man, age = masculine > 0.5, float(rng.beta(1.6, 2.2))
    light = max(0.0, 0.6 - darkness)
    hair = {"black": 0.3 + 2 * darkness, "dark": 0.6, "brown": 1.2 * light, "light": 0.7 * light}
    hair |= {"blond": 0.9 * light, "red": 0.4 * light}
    grey = rng.uniform() < 1.3 * max(0.0, age - 0.45)
    iris = {"brown": 0.5, "dark": 0.3 + 2 * darkness, "hazel": 0.6 * light, "green": 0.5 * light, "blue": 1.1 * light}
    made_up = not man and rng.uniform() < 0.45
    lip = lightness - dice.about(9, 2) - 6 * made_up, redness + dice.about(10, 2.5) + 14 * made_up, yellowness - 3
    return Identity(
        seed=key,
        skin=lab_to_linear((lightness, redness, yellowness)),
        hair=dice.colour(_HAIR["grey" if grey else dice.one_of(hair)], 0.15),
        iris=dice.colour(_IRIS[dice.one_of(iris)], 0.15),
        lip=lab_to_linear(lip),
        darkness=darkness,
        masculine=masculine,
        age=age,
        freckles=float(max(0.0, rng.uniform(-1.5, 1.0))) * (darkness < 0.45),
        moles=int(rng.poisson(1.5)),
        width=dice.about(1.0, 0.045),
        jaw=dice.about(0.95 + 0.1 * masculine, 0.06),
        chin=dice.about(0, 4),
        cheek=dice.about(3.5, 1.8),
        hairline=dice.about(64, 5) + 10 * age * masculine,
        eye_u=dice.about(32, 1.6),
        eye_w=dice.about(14.8, 0.9),
        eye_h=dice.about(5.6, 0.8),
        eye_tilt=dice.about(1.2, 1.0),
        lid=dice.about(3.6, 1.0),
        brow_v=dice.about(20 - 2.5 * masculine, 1.6),
        brow_arch=dice.about(3.2 - 1.6 * masculine, 1.0),
        brow_thick=dice.about(2.6 + 1.6 * masculine, 0.6),
        brow_strength=float(rng.uniform(0.55, 0.95)),
        nose_v=dice.about(-40, 2.6),
        nose_w=dice.about(15.5 + 2 * masculine + 3 * darkness, 1.5),
        nose_h=dice.about(19, 2.2),
        mouth_v=dice.about(-67, 2.2),
        mouth_w=dice.about(24.5, 2),
        lip_up=dice.about(6 + 2.5 * darkness - 1.5 * age, 1.1),
        lip_low=dice.about(8 + 2.5 * darkness - 1.5 * age, 1.2),
        style=dice.one_of(_STYLES_OF_MEN if man else _STYLES_OF_WOMEN),
        beard=dice.one_of(_BEARDS) if man else "none",
        glasses=dice.one_of({"none": 0.82, "dark": 0.12, "metal": 0.06}),
    )


def expression_of(rng: np.random.Generator) -> Expression:
    """A random expression: mostly calm, often a smile, sometimes an open mouth."""
    smile = float(np.clip(rng.normal(1.5, 2.2), -2, 6))
    return Expression(
        smile=smile,
        open=float(max(0.0, rng.normal(-1.0, 4.5))),
        lids=float(rng.uniform(0.82, 1.12)) - 0.03 * max(0.0, smile),
        brows=float(rng.normal(0, 1.3)),
        gaze_u=float(np.clip(rng.normal(0, 1.8), -4.5, 4.5)),
        gaze_v=float(np.clip(rng.normal(0, 0.8), -2, 2)),
    )


def lab_to_linear(lab: Lab) -> RGB:
    """Linear sRGB of a CIELAB colour under D65 (IEC 61966-2-1), kept within 0.002 and 1.

    >>> [round(channel, 3) for channel in lab_to_linear((50, 0, 0))]
    [0.184, 0.184, 0.184]
    """
    fy = (lab[0] + 16) / 116
    f = np.array([fy + lab[1] / 500, fy, fy - lab[2] / 200])
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * [0.9505, 1.0, 1.0890]
    matrix = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    r, g, b = np.clip(matrix @ xyz, 0.002, 1).tolist()
    return r, g, b
