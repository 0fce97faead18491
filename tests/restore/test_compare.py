from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from deepfake_pipeline.degrade import apply, draw_recipe
from deepfake_pipeline.metrics.fidelity import psnr, ssim
from deepfake_pipeline.restore import REPAIRS
from deepfake_pipeline.restore.compare import FACES_PER_BATCH, CleanFace, best_repairs, score_repairs
from deepfake_pipeline.tables.schemas import REPAIR_SCORES
from deepfake_pipeline.tables.stream import batches_of
from tests.degrade.pictures import face, texture

CONDITIONS = [("salt_and_pepper", 5), ("jpeg", 5)]
FEW = {name: REPAIRS[name] for name in ("identity", "median3", "adaptive_median", "jpeg_deblocking")}


def faces(count: int) -> Iterator[CleanFace]:
    for number in range(count):
        face_id = f"{number:016x}-000000-00"
        recipes = [draw_recipe(face_id, name, severity, 3) for name, severity in CONDITIONS]
        yield CleanFace(face_id, f"g{number}", texture(number, 64), recipes)


def table(workers: int) -> pa.Table:
    return pa.Table.from_batches(batches_of(REPAIR_SCORES, score_repairs(faces(10), FEW, workers=workers, total=10)))


def test_the_bytes_do_not_depend_on_the_number_of_workers() -> None:
    alone = table(workers=1)
    assert alone.num_rows == 10 * (1 + len(CONDITIONS)) * len(FEW)
    assert table(workers=2).equals(alone)


def test_a_row_is_the_repaired_face_against_the_clean_one() -> None:
    recipe = draw_recipe("f", "salt_and_pepper", 3, 0)
    rows = list(score_repairs([CleanFace("f", "g", face(96), [recipe])]))
    assert [row["repair"] for row in rows] == [*REPAIRS, *REPAIRS]
    assert all(row["degradation"] is None and row["severity"] is None for row in rows[: len(REPAIRS)])
    for row in rows[len(REPAIRS) :]:
        repaired = REPAIRS[row["repair"]].apply(apply(recipe, face(96)))
        assert (row["face_id"], row["group"], row["degradation"], row["severity"]) == ("f", "g", "salt_and_pepper", 3)
        assert row["psnr"] == pytest.approx(psnr(face(96), repaired))
        assert row["ssim"] == pytest.approx(ssim(face(96), repaired))


def test_the_best_repair_of_each_condition_is_chosen() -> None:
    best = best_repairs(score_repairs(faces(3), FEW))
    assert best[None, None] == "identity"
    assert best["salt_and_pepper", 5] == "adaptive_median"


def test_ties_go_to_the_first_and_either_figure_may_decide() -> None:
    rows = [
        {"degradation": "jpeg", "severity": 1, "repair": name, "psnr": value, "ssim": -value}
        for name, value in (("identity", 1.0), ("median3", 1.0), ("wavelet", 2.0))
    ]
    assert best_repairs(rows[:2]) == {("jpeg", 1): "identity"}
    assert best_repairs(rows) == {("jpeg", 1): "wavelet"}
    assert best_repairs(rows, by="ssim") == {("jpeg", 1): "identity"}


def test_faces_are_taken_as_they_are_needed() -> None:
    taken: list[str] = []

    def counted() -> Iterator[CleanFace]:
        for number in range(5 * FACES_PER_BATCH):
            taken.append(str(number))
            yield CleanFace(str(number), "g", np.full((16, 16, 3), 90, np.uint8), [])

    next(score_repairs(counted(), {"identity": REPAIRS["identity"]}))
    assert len(taken) == FACES_PER_BATCH
