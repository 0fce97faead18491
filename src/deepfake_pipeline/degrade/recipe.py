"""A recipe: everything needed to make one degraded face again, without storing its pixels.

>>> face = np.full((32, 32, 3), 128, np.uint8)
>>> recipe = draw_recipe("0123456789abcdef-000000-00", "salt_and_pepper", 3, seed=0)
>>> recipe.parameters
{'share': 0.09}
>>> bool(np.array_equal(apply(recipe, face), apply(Recipe.from_row(recipe.to_row()), face)))
True
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepfake_pipeline.degrade.base import Degradation, Image
from deepfake_pipeline.degrade.severity import SEVERITIES

_PARAMETERS, _PIXELS = 0, 1  # two streams of one seed: where a shadow lies says nothing about where noise falls


@dataclass(frozen=True)
class Recipe:
    """How one face is degraded.

    Args:
        face_id: the face; empty in training, where nothing is kept.
        degradation: a name of ``DEGRADATIONS``.
        severity: 1 to 5; of a continuous one, which only training draws, the nearest step.
        seed: in [0, 2**63), the source of everything random.
        parameters: fields of the degradation's class, JSON-able.
    """

    face_id: str
    degradation: str
    severity: int
    seed: int
    parameters: Mapping[str, Any]

    def to_row(self) -> dict[str, Any]:
        """The columns of a recipe table that describe the recipe; ``parameters`` as JSON with sorted keys."""
        return {
            "face_id": self.face_id,
            "degradation": self.degradation,
            "severity": self.severity,
            "seed": self.seed,
            "parameters": json.dumps(dict(self.parameters), sort_keys=True),
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Recipe:
        """A recipe from a row of a recipe table; other columns are ignored."""
        return cls(
            face_id=row["face_id"],
            degradation=row["degradation"],
            severity=int(row["severity"]),
            seed=int(row["seed"]),
            parameters=json.loads(row["parameters"]),
        )


def draw_recipe(face_id: str, degradation: str, severity: int, seed: int) -> Recipe:
    """The recipe of a face: the same for the same four arguments, on any machine, in any order.

    Raises:
        ValueError: unknown degradation, or severity not 1 to 5.
    """
    from deepfake_pipeline.tables.ids import stable_seed  # late: its room loads pyarrow, which loaders can lack

    if severity not in SEVERITIES:
        raise ValueError(f"severity {severity} is not one of {SEVERITIES}")
    step = int(severity)
    return _drawn(face_id, degradation, step, stable_seed(face_id, degradation, step, seed))


def random_recipe(
    rng: np.random.Generator,
    names: Sequence[str],
    severities: Sequence[int] = SEVERITIES,
    *,
    continuous: bool = False,
) -> Recipe:
    """A recipe drawn afresh, for training: a degradation and a severity, each equally likely.

    Args:
        rng: one a loader worker, seeded by its number.
        names: of the degradations to choose from.
        severities: to choose from, 1 to 5.
        continuous: any severity between the smallest and the largest of them.

    Raises:
        ValueError: nothing to choose from, unknown degradation, or severity out of range.
    """
    if not names or not severities:
        raise ValueError("random_recipe needs at least one degradation and one severity")
    name = names[int(rng.integers(len(names)))]
    severity: float = severities[int(rng.integers(len(severities)))]
    if continuous:
        severity = float(rng.uniform(min(severities), max(severities)))
    return _drawn("", name, severity, int(rng.integers(2**63, dtype=np.uint64)))


def random_chain(
    rng: np.random.Generator,
    names: Sequence[str],
    severities: Sequence[int] = SEVERITIES,
    *,
    passes: int = 2,
    share: float = 0.4,
) -> tuple[Recipe, ...]:
    """Degradations one after the other, drawn afresh, for training: pictures are rarely spoilt by one thing alone.

    High-order degradation in the sense of Wang et al. 2021, "Real-ESRGAN": every pass goes through the families
    (blur, resolution, light, noise, compression), here in random order, and takes one degradation of a family or
    skips it; later passes are milder, as theirs are. Light falls once: it is left to the first pass, since twice in
    the dark leaves nothing to learn from.

    Args:
        rng: one a sample or a loader worker, seeded by its number.
        names: of the degradations to choose from.
        severities: whose smallest and largest bound the severity of a step in the first pass; in pass k it reaches
            1/k of the way from the smallest to the largest.
        passes: times that the families are gone through.
        share: chance of each family to be taken in each pass, in [0, 1].

    Returns:
        Recipes in the order in which :func:`apply_chain` applies them, at least one.

    Raises:
        ValueError: nothing to choose from, unknown degradation, or a number out of range.
    """
    if passes < 1 or not 0 <= share <= 1:
        raise ValueError(f"random_chain needs at least one pass and a share in [0, 1], not {passes} and {share}")
    one = random_recipe(rng, names, severities, continuous=True)
    families, chain = _by_family(names), []
    for number in range(1, passes + 1):
        high = min(severities) + (max(severities) - min(severities)) / number
        going = [members for family, members in families.items() if number == 1 or family != "light"]
        for place in rng.permutation(len(going)):
            if rng.random() < share:
                name = going[place][int(rng.integers(len(going[place])))]
                severity = float(rng.uniform(min(severities), high))
                chain.append(_drawn("", name, severity, int(rng.integers(2**63, dtype=np.uint64))))
    return tuple(chain) or (one,)


def apply_chain(chain: Sequence[Recipe], image: Image) -> Image:
    """Make the face that a chain of recipes leads to: :func:`apply` of each, in order."""
    for recipe in chain:
        image = apply(recipe, image)
    return image


def apply(recipe: Recipe, image: Image) -> Image:
    """Make the degraded face: the same bytes for the same recipe and image, in any process.

    Args:
        recipe: as drawn, or read from a table.
        image: RGB uint8 (H, W, 3), both sides at least 16 px; it is not changed.

    Returns:
        A new array of the same shape.

    Raises:
        ValueError: not such an image, unknown degradation, or parameters that are not its own.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or min(image.shape[:2]) < 16:
        raise ValueError(f"expected RGB uint8 (H, W, 3) of at least 16 x 16, not {image.dtype} {image.shape}")
    kind = degradation_class(recipe.degradation)
    try:
        degradation = kind(**recipe.parameters)
    except TypeError as error:
        known = sorted(field.name for field in dataclasses.fields(kind))
        raise ValueError(
            f"recipe of {recipe.degradation}: parameters {sorted(recipe.parameters)}, not {known}"
        ) from error
    return degradation.apply(np.ascontiguousarray(image), _generator(recipe.seed, _PIXELS))


def degradation_class(name: str) -> type[Degradation]:
    """Class of a degradation.

    Raises:
        ValueError: there is none of that name.
    """
    from deepfake_pipeline.degrade import DEGRADATIONS  # late: the room's front imports this module

    if name not in DEGRADATIONS:
        raise ValueError(f"unknown degradation {name!r}; choose among {', '.join(DEGRADATIONS)}")
    return DEGRADATIONS[name]


def _by_family(names: Sequence[str]) -> dict[str, list[str]]:
    from deepfake_pipeline.degrade import FAMILIES  # late: the room's front imports this module

    for name in names:
        degradation_class(name)
    chosen = {family: [name for name in members if name in names] for family, members in FAMILIES.items()}
    return {family: members for family, members in chosen.items() if members}


def _drawn(face_id: str, degradation: str, severity: float, seed: int) -> Recipe:
    drawn = degradation_class(degradation).draw(severity, _generator(seed, _PARAMETERS))
    return Recipe(face_id, degradation, round(float(severity)), seed, dataclasses.asdict(drawn))


def _generator(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, stream]))
