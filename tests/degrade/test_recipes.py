from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from deepfake_pipeline.degrade import DEGRADATIONS, SEVERITIES, Recipe, apply
from deepfake_pipeline.degrade.recipes import FACES_PER_BATCH, Face, make_recipes
from deepfake_pipeline.metrics.fidelity import psnr, ssim
from deepfake_pipeline.tables.schemas import RECIPES
from deepfake_pipeline.tables.stream import RecordStream, batches_of
from tests.degrade.pictures import face, texture


def faces(count: int) -> Iterator[Face]:
    for number in range(count):
        yield f"{number:016x}-000000-00", "test" if number % 2 else "train", texture(number, 48)


def table(workers: int) -> pa.Table:
    rows = make_recipes(faces(40), list(DEGRADATIONS), (1, 5), seed=3, workers=workers, total=40)
    return pa.Table.from_batches(batches_of(RECIPES, rows))


def test_the_bytes_do_not_depend_on_the_number_of_workers() -> None:
    alone = table(workers=1)
    assert alone.num_rows == 40 * len(DEGRADATIONS) * 2
    assert table(workers=2).equals(alone)


def test_a_row_makes_its_face_again_and_says_how_far_it_is_from_the_clean_one() -> None:
    image = face(64)
    rows = list(make_recipes([("f", "test", image)], list(DEGRADATIONS), SEVERITIES, seed=0))
    stored = RecordStream.of_rows(RECIPES, rows)
    read = pa.Table.from_batches(stored).to_pylist()
    assert [(row["degradation"], row["severity"]) for row in read] == [(n, s) for n in DEGRADATIONS for s in SEVERITIES]
    for row in read:
        again = apply(Recipe.from_row(row), image)
        assert row["split"] == "test"
        assert row["psnr"] == pytest.approx(psnr(image, again), rel=1e-6)
        assert row["ssim"] == pytest.approx(ssim(image, again), rel=1e-6)


def test_a_face_that_nothing_changes_still_has_finite_figures() -> None:
    flat = np.full((32, 32, 3), 128, np.uint8)
    (row,) = make_recipes([("f", "test", flat)], ["gaussian_blur"], [3], seed=0)
    assert (row["psnr"], row["ssim"]) == (100.0, pytest.approx(1.0))


def test_faces_are_taken_as_they_are_needed() -> None:
    taken: list[str] = []

    def counted() -> Iterator[Face]:
        for one in faces(10 * FACES_PER_BATCH):
            taken.append(one[0])
            yield one

    next(make_recipes(counted(), ["jpeg"], [1], seed=0))
    assert len(taken) == FACES_PER_BATCH


def test_a_wrong_name_is_told_before_any_face_is_taken() -> None:
    with pytest.raises(ValueError, match="unknown degradation"):
        make_recipes(iter([]), ["jpeg", "fog"], [1], seed=0)
