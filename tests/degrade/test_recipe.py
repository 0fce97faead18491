import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepfake_pipeline.degrade import DEGRADATIONS, SEVERITIES, Recipe, apply, draw_recipe, random_recipe
from deepfake_pipeline.degrade.severity import STEPS
from deepfake_pipeline.metrics.fidelity import psnr, ssim
from tests.degrade.pictures import Image, face, pictures, rendered

ALL = [(name, severity) for name in DEGRADATIONS for severity in SEVERITIES]


def test_the_registry_and_the_table_of_severities_agree() -> None:
    assert set(DEGRADATIONS) == set(STEPS)
    for name in DEGRADATIONS:
        assert STEPS[name].parameter in draw_recipe("f", name, 1, 0).parameters


@given(st.text(max_size=20), st.sampled_from(ALL), st.integers(-(2**70), 2**70))
@settings(max_examples=60, deadline=None)
def test_recipes_are_deterministic_and_survive_json(face_id: str, kind: tuple[str, int], seed: int) -> None:
    recipe = draw_recipe(face_id, *kind, seed)
    assert recipe == draw_recipe(face_id, *kind, seed)
    assert 0 <= recipe.seed < 2**63
    row = recipe.to_row()
    again = Recipe.from_row(json.loads(json.dumps(row)))
    assert again == recipe
    image = face(32)
    assert np.array_equal(apply(again, image), apply(recipe, image))


def test_every_part_of_the_key_changes_what_is_random() -> None:
    seeds = {
        draw_recipe(*key).seed
        for key in [
            ("a", "jpeg", 1, 0),
            ("b", "jpeg", 1, 0),
            ("a", "shadow", 1, 0),
            ("a", "jpeg", 2, 0),
            ("a", "jpeg", 1, 1),
        ]
    }
    assert len(seeds) == 5
    image = face(64)
    noisy = [apply(draw_recipe(face_id, "salt_and_pepper", 3, 0), image) for face_id in ("a", "b")]
    assert not np.array_equal(*noisy)


@pytest.mark.parametrize(("name", "severity"), ALL)
def test_the_input_is_left_alone_and_the_output_is_new(name: str, severity: int) -> None:
    image = face(64).copy()
    kept = image.copy()
    recipe = draw_recipe("f", name, severity, 0)
    first = apply(recipe, image)
    assert np.array_equal(image, kept)
    assert not np.shares_memory(first, image)
    assert not np.array_equal(first, image)
    image.flags.writeable = False
    assert np.array_equal(apply(recipe, image), first)
    turned = np.asfortranarray(image)
    assert np.array_equal(apply(recipe, turned), first)
    assert np.array_equal(apply(recipe, kept[::-1][::-1]), first)


def digest(images: list[Image]) -> str:
    return sha256(b"".join(image.tobytes() for image in images)).hexdigest()


def everything() -> str:
    image = face(101)
    return digest([apply(draw_recipe("f", name, severity, 7), image) for name, severity in ALL])


def test_another_process_makes_the_same_bytes() -> None:
    code = "from tests.degrade.test_recipe import everything; print(everything())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == everything()


VARYING = {"shadow", "low_light", "fast_fading"}  # the same severity takes more from one face than from another


@pytest.mark.parametrize("name", DEGRADATIONS)
@pytest.mark.parametrize("kind", ["photographs", "rendered faces"])
def test_each_step_of_severity_is_worse(name: str, kind: str) -> None:
    images = pictures(224) if kind == "photographs" else rendered()
    similarity, closeness = [], []
    for severity in SEVERITIES:
        made = [
            (image, apply(draw_recipe(f"{number}-{draw}", name, severity, 0), image))
            for number, image in enumerate(images)
            for draw in range(6 if name in VARYING else 1)
        ]
        similarity.append(np.mean([ssim(*pair) for pair in made]))
        closeness.append(np.mean([psnr(*pair) for pair in made]))
    assert (np.diff(similarity) < -0.01).all(), similarity
    assert (np.diff(closeness) < -0.3).all(), closeness
    assert similarity[0] < 0.98


SIZES_MAY_DIFFER = {("defocus", 1): 0.1}  # a disc of 2 px covers few pixels, and the finest detail is what it takes


@pytest.mark.parametrize("name", ["gaussian_blur", "motion_blur", "defocus", "shadow", "salt_and_pepper"])
@pytest.mark.parametrize("severity", [1, 3, 5])
def test_a_severity_means_the_same_at_160_and_256_pixels(name: str, severity: int) -> None:
    means = []
    for size in (160, 256):
        images = pictures(size)[:3]
        recipes = [draw_recipe(str(number), name, severity, 0) for number in range(3)]
        means.append(np.mean([ssim(i, apply(r, i)) for i, r in zip(images, recipes, strict=True)]))
    assert means[0] == pytest.approx(means[1], abs=SIZES_MAY_DIFFER.get((name, severity), 0.08))


def test_random_recipes_spread_over_names_and_severities_and_repeat_with_their_generator() -> None:
    names = list(DEGRADATIONS)
    rng = np.random.default_rng(3)
    drawn = [random_recipe(rng, names) for _ in range(100 * len(ALL))]
    counts = Counter((recipe.degradation, recipe.severity) for recipe in drawn)
    assert min(counts[kind] for kind in ALL) > 50
    assert len({recipe.seed for recipe in drawn}) == len(drawn)
    rng = np.random.default_rng(3)
    assert [random_recipe(rng, names) for _ in range(50)] == drawn[:50]


def test_severity_can_be_continuous_in_training() -> None:
    rng = np.random.default_rng(4)
    drawn = [random_recipe(rng, ["gaussian_blur"], (2, 4), continuous=True) for _ in range(300)]
    sigmas = [recipe.parameters["sigma"] for recipe in drawn]
    assert 2 <= min(sigmas) < 2.1
    assert 3.9 < max(sigmas) <= 4
    assert {recipe.severity for recipe in drawn} == {2, 3, 4}
    for name in DEGRADATIONS:
        recipe = random_recipe(rng, [name], continuous=True)
        assert apply(Recipe.from_row(recipe.to_row()), face(32)).shape == (32, 32, 3)


def test_wrong_requests_are_named() -> None:
    with pytest.raises(ValueError, match="choose among gaussian_blur"):
        draw_recipe("f", "blurr", 1, 0)
    for severity in (0, 6, 2.5):
        with pytest.raises(ValueError, match="not one of"):
            draw_recipe("f", "jpeg", severity, 0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one"):
        random_recipe(np.random.default_rng(0), [])
    recipe = draw_recipe("f", "jpeg", 1, 0)
    with pytest.raises(ValueError, match=r"parameters \['sigma'\], not \['quality'\]"):
        apply(replace(recipe, parameters={"sigma": 1}), face(32))
    for image in (np.zeros((32, 32), np.uint8), np.zeros((32, 32, 3)), np.zeros((15, 32, 3), np.uint8)):
        with pytest.raises(ValueError, match="expected RGB uint8"):
            apply(recipe, image)  # type: ignore[arg-type]


def test_training_needs_numpy_opencv_and_pillow_alone() -> None:
    code = (
        "import sys;"
        "absent = ('av', 'kedro', 'pandas', 'pyarrow', 'pydantic', 'scipy', 'tqdm', 'torch');"
        "[sys.modules.__setitem__(name, None) for name in absent];"
        "import numpy as np;"
        "from deepfake_pipeline.degrade import DEGRADATIONS, apply, random_recipe;"
        "import deepfake_pipeline.degrade.recipes, deepfake_pipeline.degrade.cache;"
        "names = [name for name in DEGRADATIONS if name != 'h264'];"  # which alone asks for PyAV
        "face = np.zeros((32, 32, 3), np.uint8);"
        "[apply(random_recipe(np.random.default_rng(0), [name]), face) for name in names]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
