from __future__ import annotations

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from deepfake_pipeline.forge.swap import SwapParams, inner_face_mask, swap_face, transfer_colour
from deepfake_pipeline.media.render import RenderedFace, RenderParams, render_face


@pytest.fixture(scope="module")
def pair() -> tuple[RenderedFace, RenderedFace]:
    params = RenderParams(seed=1)
    return render_face(0, 0, params), render_face(1, 1, params)


def _swapped(pair: tuple[RenderedFace, RenderedFace], params: SwapParams | None = None):
    target, source = pair
    return swap_face(target.image, target.landmarks, source.image, source.landmarks, params)


def test_only_the_masked_region_changes(pair: tuple[RenderedFace, RenderedFace]) -> None:
    target, _ = pair
    swap = _swapped(pair)
    assert swap.image.shape == target.image.shape and swap.image.dtype == np.uint8
    assert swap.mask.shape == target.image.shape[:2] and swap.mask.dtype == np.uint8
    outside = swap.mask == 0
    assert np.array_equal(swap.image[outside], target.image[outside])
    inside = swap.mask > 128
    changed = np.any(swap.image[inside] != target.image[inside], axis=1)
    assert changed.mean() > 0.95
    assert 0.03 < inside.mean() < 0.5


def test_mask_covers_eyes_nose_and_mouth_and_stays_within_the_face(pair: tuple[RenderedFace, RenderedFace]) -> None:
    target, _ = pair
    mask = _swapped(pair, SwapParams(feather=0.08)).mask
    for x, y in target.landmarks:
        assert mask[round(float(y)), round(float(x))] > 128
    x, y, w, h = target.box
    rows, columns = np.nonzero(mask > 64)
    assert columns.min() >= x and columns.max() <= x + w
    assert rows.min() >= y and rows.max() <= y + h


def test_seam_is_soft(pair: tuple[RenderedFace, RenderedFace]) -> None:
    mask = _swapped(pair).mask.astype(int)
    steps = max(np.abs(np.diff(mask, axis=0)).max(), np.abs(np.diff(mask, axis=1)).max())
    assert steps < 60


def test_the_new_face_is_the_sources(pair: tuple[RenderedFace, RenderedFace]) -> None:
    """Without colour transfer, what lies in the mask looks like the aligned source and not like the target."""
    target, source = pair
    swap = _swapped(pair, SwapParams(colour=0, resolution=256))
    known = np.column_stack([source.landmarks, np.ones(5)])
    matrix = np.linalg.lstsq(known, target.landmarks.astype(float), rcond=None)[0].T
    aligned = cv2.warpAffine(source.image, matrix, target.image.shape[1::-1])
    inside = swap.mask > 250
    to_source = np.abs(swap.image[inside].astype(float) - aligned[inside]).mean()
    to_target = np.abs(swap.image[inside].astype(float) - target.image[inside]).mean()
    assert to_source < 0.5 * to_target


def test_colour_transfer_moves_the_source_towards_the_target(pair: tuple[RenderedFace, RenderedFace]) -> None:
    target, _ = pair
    inside = _swapped(pair).mask > 250
    wanted = target.image[inside].mean(axis=0)
    gaps = [
        np.abs(_swapped(pair, SwapParams(colour=strength)).image[inside].mean(axis=0) - wanted).mean()
        for strength in (0.0, 0.5, 1.0)
    ]
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 6


def test_transferred_statistics_are_the_targets() -> None:
    rng = np.random.default_rng(0)
    source = np.clip(rng.normal(120, 12, (40, 40, 3)), 0, 255)
    target = np.clip(rng.normal((115, 90, 80), 9, (40, 40, 3)), 0, 255)
    weights = np.ones((40, 40))
    moved = transfer_colour(source, target, weights)
    lab, wanted = (cv2.cvtColor(np.float32(rgb / 255), cv2.COLOR_RGB2Lab) for rgb in (moved, target))
    assert lab.mean(axis=(0, 1)) == pytest.approx(wanted.mean(axis=(0, 1)), abs=0.5)
    assert lab.std(axis=(0, 1)) == pytest.approx(wanted.std(axis=(0, 1)), rel=0.05)
    assert np.array_equal(transfer_colour(source, target, 0 * weights), source.astype(np.float32))
    assert np.array_equal(transfer_colour(source, target, weights, 0.0), source.astype(np.float32))


def test_lower_resolution_leaves_less_detail(pair: tuple[RenderedFace, RenderedFace]) -> None:
    inside = cv2.erode(np.uint8(_swapped(pair).mask > 250), np.ones((3, 3))) > 0
    detail = [
        np.abs(cv2.Laplacian(_swapped(pair, SwapParams(resolution=side)).image, cv2.CV_32F))[inside].mean()
        for side in (48, 96, 256)
    ]
    assert detail[0] < detail[1] < detail[2]


def test_swap_is_a_pure_function(pair: tuple[RenderedFace, RenderedFace]) -> None:
    before = [face.image.copy() for face in pair]
    first, second = _swapped(pair), _swapped(pair)
    assert np.array_equal(first.image, second.image) and np.array_equal(first.mask, second.mask)
    assert all(np.array_equal(face.image, old) for face, old in zip(pair, before, strict=True))


def test_pictures_of_different_sizes_can_be_swapped() -> None:
    target, source = render_face(0, 0, RenderParams(size=96)), render_face(1, 0, RenderParams(size=128))
    swap = swap_face(target.image, target.landmarks, source.image, source.landmarks)
    assert swap.image.shape == (96, 96, 3)
    assert swap.mask.max() > 200


def test_mask_of_a_turned_face_reaches_less_far_on_its_far_side() -> None:
    frontal = np.array([[60, 80], [120, 80], [90, 110], [65, 145], [115, 145]], float)
    turned = frontal + np.array([[0, 0], [0, 0], [18, 0], [6, 0], [6, 0]])
    for points, towards in ((frontal, 0), (turned, 1)):
        row = inner_face_mask(points, 200, 200, 0.08)[80] > 0.5
        columns = np.flatnonzero(row)
        left, right = 60 - columns[0], columns[-1] - 120
        assert (left > right + 5) == bool(towards)
        assert left > 0


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (np.zeros((4, 2)), r"five finite points \(5, 2\), not \(4, 2\)"),
        (np.full((5, 2), np.nan), "five finite points"),
        (np.ones((5, 2)), "lie on one line"),
        (np.array([[120, 80], [60, 80], [90, 110], [115, 145], [65, 145]], float), "mirrored"),
    ],
)
def test_bad_landmarks_are_refused(pair: tuple[RenderedFace, RenderedFace], broken: np.ndarray, message: str) -> None:
    target, source = pair
    with pytest.raises(ValueError, match=message):
        swap_face(target.image, broken, source.image, source.landmarks)
    with pytest.raises(ValueError, match=f"source.*{message}"):
        swap_face(target.image, target.landmarks, source.image, broken)


@pytest.mark.parametrize("wrong", [{"resolution": 8}, {"feather": 0.0}, {"opacity": 0.0}, {"colour": 2}, {"blur": 1}])
def test_bad_params_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        SwapParams.model_validate(wrong)
