"""Contact sheets: what stands where."""

import numpy as np
import pytest

from deepfake_pipeline.degrade.recipe import apply, draw_recipe
from deepfake_pipeline.media.images import decode_image
from deepfake_pipeline.reporting.sheets import before_after_sheet, severity_sheet
from tests.conftest import packed

CELL, STEP = 128, 132
NAMES, SEVERITIES = ("jpeg", "gaussian_blur"), (1, 3, 5)


class Same:
    """An enhancer that changes nothing."""

    def enhance(self, pictures):
        return pictures


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return packed(tmp_path_factory.mktemp("faces") / "packed", count=8, side=CELL)


@pytest.fixture(scope="module")
def recipes(faces):
    ids = [faces.face_ids[row].decode() for row in range(2, 8)]  # the first real and forged face were not sampled
    return [draw_recipe(face, name, severity, 0) for face in ids for name in NAMES for severity in SEVERITIES]


def cell(sheet, row, column, columns):
    """The picture in a row and column of a sheet with headings; captions take what the cells leave."""
    left = sheet.shape[1] - columns * STEP + column * STEP
    top = sheet.shape[0] - (sheet.shape[0] // STEP) * STEP + row * STEP
    return sheet[top : top + CELL, left : left + CELL]


def degraded(faces, recipes, row, name, severity):
    (recipe,) = (
        r for r in recipes if (r.face_id, r.degradation, r.severity) == (faces.face_ids[row].decode(), name, severity)
    )
    return apply(recipe, np.asarray(faces.images[row]))


def test_real_faces_stand_left_and_forged_ones_right(faces, recipes):
    sheet = decode_image(before_after_sheet(faces, recipes, Same(), columns=4))
    assert sheet.shape[0] // STEP == 1 + 2 * len(NAMES)
    for column, row in enumerate((2, 4, 3, 5)):
        assert faces.labels[row] == column // 2
        assert np.array_equal(cell(sheet, 0, column, 4), faces.images[row])
        assert np.array_equal(cell(sheet, 1, column, 4), degraded(faces, recipes, row, "jpeg", 3))
        assert np.abs(cell(sheet, 2, column, 4).astype(int) - cell(sheet, 1, column, 4)).max() <= 2


def test_one_column_is_one_real_face(faces, recipes):
    sheet = decode_image(before_after_sheet(faces, recipes, Same(), columns=1))
    assert np.array_equal(cell(sheet, 0, 0, 1), faces.images[2])


def test_every_severity_of_a_real_and_a_forged_face_is_shown(faces, recipes):
    sheet = decode_image(severity_sheet(faces, recipes, Same()))
    columns = 1 + len(SEVERITIES)
    assert sheet.shape[0] // STEP == len(NAMES) * 2 * 2
    for block, name in enumerate(NAMES):
        for side, row in enumerate((2, 3)):
            shown = 4 * block + 2 * side
            assert np.array_equal(cell(sheet, shown, 0, columns), faces.images[row])
            for column, severity in enumerate(SEVERITIES, start=1):
                assert np.array_equal(
                    cell(sheet, shown, column, columns), degraded(faces, recipes, row, name, severity)
                )
