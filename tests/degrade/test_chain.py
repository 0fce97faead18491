from collections import Counter

import numpy as np
import pytest

from deepfake_pipeline.degrade import DEGRADATIONS, FAMILIES, apply, apply_chain, random_chain, random_recipe
from deepfake_pipeline.degrade.severity import STEPS
from deepfake_pipeline.metrics.fidelity import ssim
from tests.degrade.pictures import face, rendered

NAMES = list(DEGRADATIONS)
FAMILY = {name: family for family, members in FAMILIES.items() for name in members}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_chain_repeats_with_its_generator_and_so_do_its_bytes() -> None:
    image = face(64)
    kept = image.copy()
    chains = [random_chain(rng(5), NAMES) for _ in range(2)]
    assert chains[0] == chains[1]
    assert np.array_equal(apply_chain(chains[0], image), apply_chain(chains[1], image))
    assert np.array_equal(image, kept)


def test_a_chain_is_its_recipes_in_order() -> None:
    image = by_hand = face(64)
    chain = random_chain(rng(3), NAMES, share=1.0)
    for recipe in chain:
        by_hand = apply(recipe, by_hand)
    assert np.array_equal(apply_chain(chain, image), by_hand)
    assert not np.array_equal(apply_chain(chain[::-1], image), by_hand)


def test_every_pass_takes_each_family_once_in_an_order_of_its_own_and_light_falls_once() -> None:
    orders = set()
    for seed in range(100):
        chain = random_chain(rng(seed), NAMES, passes=2, share=1.0)
        families = [FAMILY[recipe.degradation] for recipe in chain]
        first, second = families[: len(FAMILIES)], families[len(FAMILIES) :]
        assert sorted(first) == sorted(FAMILIES)
        assert sorted([*second, "light"]) == sorted(FAMILIES)
        orders |= {tuple(first), tuple(second)}
    assert len(orders) > 60


def test_every_degradation_comes_round_and_families_are_skipped_as_often_as_asked() -> None:
    draws = rng(1)
    chains = [random_chain(draws, NAMES, share=0.4) for _ in range(3000)]
    counts = Counter(recipe.degradation for chain in chains for recipe in chain)
    for family, members in FAMILIES.items():
        expected = 3000 * 0.4 * (1 if family == "light" else 2) / len(members)
        assert all(counts[name] == pytest.approx(expected, rel=0.2) for name in members)
    assert np.mean([len(chain) for chain in chains]) == pytest.approx((2 * len(FAMILIES) - 1) * 0.4, rel=0.05)
    assert len({recipe.seed for chain in chains for recipe in chain}) == sum(map(len, chains))


def test_the_second_pass_is_milder() -> None:
    sigma = STEPS["gaussian_blur"]
    chains = [random_chain(rng(seed), ["gaussian_blur"], (2, 4), share=1.0) for seed in range(200)]
    first, second = (np.array([chain[number].parameters["sigma"] for chain in chains]) for number in (0, 1))
    assert sigma.at(2) <= first.min() < first.max() <= sigma.at(4)
    assert first.max() > sigma.at(3.8)
    assert sigma.at(2) <= second.min() < second.max() <= sigma.at(3)


def test_nothing_taken_still_degrades() -> None:
    for seed in range(20):
        (recipe,) = random_chain(rng(seed), ["jpeg", "shadow"], share=0.0)
        assert recipe.degradation in ("jpeg", "shadow")


def test_chains_spoil_more_than_single_degradations_and_leave_something() -> None:
    pairs = [(face, seed) for seed, face in enumerate(rendered() * 6)]
    alone = np.mean([ssim(image, apply(random_recipe(rng(seed), NAMES), image)) for image, seed in pairs])
    chained = np.mean([ssim(image, apply_chain(random_chain(rng(seed), NAMES), image)) for image, seed in pairs])
    assert 0.15 < chained < alone


def test_wrong_requests_are_named() -> None:
    for wrong in ({"passes": 0}, {"share": 1.5}):
        with pytest.raises(ValueError, match="at least one pass"):
            random_chain(rng(), NAMES, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown degradation 'fog'"):
        random_chain(rng(), ["fog"])
    with pytest.raises(ValueError, match="unknown degradation 'fog'"):
        random_chain(rng(), ["jpeg", "fog"])
    with pytest.raises(ValueError, match="at least one degradation"):
        random_chain(rng(), [])
