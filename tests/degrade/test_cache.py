import numpy as np
import pytest

from deepfake_pipeline.degrade import apply, draw_recipe
from deepfake_pipeline.degrade.cache import DegradedFaces
from tests.degrade.pictures import Image, face


def test_a_kept_face_is_handed_out_again_without_loading_the_clean_one() -> None:
    cache, recipe = DegradedFaces(capacity=10**6), draw_recipe("f", "jpeg", 3, 0)
    first = cache.get(recipe, face(64))

    def load() -> Image:
        raise AssertionError("the clean face was loaded for nothing")

    assert cache.get(recipe, load) is first
    assert np.array_equal(first, apply(recipe, face(64)))
    assert (cache.hits, cache.misses, cache.size) == (1, 1, 64 * 64 * 3)
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0, 0] = 1


def test_the_face_unused_for_longest_is_forgotten_and_made_again_the_same() -> None:
    size = 32 * 32 * 3
    cache = DegradedFaces(capacity=2 * size + 10)
    recipes = [draw_recipe(name, "salt_and_pepper", 3, 0) for name in "abc"]
    first = [cache.get(recipe, lambda: face(32)) for recipe in recipes[:2]]
    cache.get(recipes[0], face(32))
    cache.get(recipes[2], face(32))  # b goes, a was used since
    assert cache.size == 2 * size
    assert cache.get(recipes[0], face(32)) is first[0]
    again = cache.get(recipes[1], face(32))
    assert again is not first[1]
    assert np.array_equal(again, first[1])


def test_what_does_not_fit_is_made_and_not_kept() -> None:
    cache, recipe = DegradedFaces(capacity=100), draw_recipe("f", "shadow", 2, 0)
    assert np.array_equal(cache.get(recipe, face(32)), cache.get(recipe, face(32)))
    assert (cache.hits, cache.size) == (0, 0)
