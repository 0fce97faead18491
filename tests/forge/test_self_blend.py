from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from deepfake_pipeline.faces.align import canonical_points
from deepfake_pipeline.faces.geometry import CropGeometry
from deepfake_pipeline.faces.params import FaceParams
from deepfake_pipeline.forge.self_blend import SelfBlendParams, blender_for, change_statistics, self_blend
from deepfake_pipeline.media.render import RenderedFace, RenderParams, render_face

PLAIN = SelfBlendParams(opacities=(1.0,), target_share=0.0)


@pytest.fixture(scope="module")
def face() -> RenderedFace:
    return render_face(0, 0, RenderParams(seed=1, size=128))


def _blended(face: RenderedFace, seed: int = 0, params: SelfBlendParams | None = None):
    return self_blend(face.image, np.random.default_rng(seed), face.landmarks, params)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    height=st.integers(32, 90),
    width=st.integers(32, 90),
    target_share=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_forgery_and_real_one_differ_in_the_mask_alone(seed: int, height: int, width: int, target_share: float) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    before = image.copy()
    blend = self_blend(image, np.random.default_rng(seed), None, SelfBlendParams(target_share=target_share))
    assert np.array_equal(image, before)
    for array, shape in ((blend.image, image.shape), (blend.target, image.shape), (blend.mask, image.shape[:2])):
        assert array.dtype == np.uint8 and array.shape == shape
    outside = blend.mask == 0
    assert outside.any() and (blend.mask > 0).any()
    assert np.array_equal(blend.image[outside], blend.target[outside])
    if target_share == 0:
        assert np.array_equal(blend.target, image)


def test_inside_the_mask_the_face_is_changed(face: RenderedFace) -> None:
    for seed in range(20):
        blend = _blended(face, seed, PLAIN)
        inside = blend.mask > 128
        changed = np.any(blend.image[inside] != face.image[inside], axis=1)
        assert changed.mean() > 0.5
        assert 0.01 < inside.mean() < 0.5


def test_the_forgery_is_the_share_that_the_mask_says(face: RenderedFace) -> None:
    """At full opacity the copy shows; at less, the forgery lies between it and the real picture as the mask says."""
    full, half = (_blended(face, 3, PLAIN.model_copy(update={"opacities": (share,)})) for share in (1.0, 0.5))
    deep = full.mask == 255
    assert deep.any()
    share = half.mask[deep][:, None] / 255
    assert np.abs(share - 0.5).max() <= 0.5 / 255 + 1e-6
    expected = face.image[deep] + (full.image[deep].astype(float) - face.image[deep]) * share
    assert np.abs(half.image[deep] - expected).max() <= 0.51


def test_the_mask_stays_on_the_face(face: RenderedFace) -> None:
    x, y, w, h = face.box
    for seed in range(30):
        rows, columns = np.nonzero(_blended(face, seed, PLAIN).mask > 127)
        assert columns.min() >= x - 0.1 * w and columns.max() <= x + 1.1 * w
        assert rows.min() >= y - 0.1 * h and rows.max() <= y + 1.1 * h


def test_masks_follow_the_landmarks(face: RenderedFace) -> None:
    moved = np.roll(face.image, 9, axis=1)
    first, second = (
        self_blend(image, np.random.default_rng(5), face.landmarks + shift, PLAIN).mask.astype(int)
        for image, shift in ((face.image, (0, 0)), (moved, (9, 0)))
    )
    # the bend of the outline is drawn over the picture, so that it does not move along
    assert np.abs(np.roll(first, 9, axis=1) - second).mean() < 0.5 * np.abs(first - second).mean()


def test_masks_differ_in_part_and_softness(face: RenderedFace) -> None:
    masks = [_blended(face, seed, PLAIN).mask for seed in range(40)]
    eyes_y, mouth_y = (round(float(face.landmarks[rows, 1].mean())) for rows in (slice(0, 2), slice(3, 5)))
    middle = round(float(face.landmarks[2, 0]))
    covers_eyes = [bool(mask[eyes_y, middle] > 127) for mask in masks]
    covers_mouth = [bool(mask[mouth_y - 2, middle] > 127) for mask in masks]
    kinds = set(zip(covers_eyes, covers_mouth, strict=True))
    assert {(True, True), (True, False), (False, True)} <= kinds
    seams = [int(np.abs(np.diff(mask.astype(int), axis=1)).max()) for mask in masks]
    assert min(seams) < 25 and max(seams) > 60


def test_without_landmarks_the_places_of_an_aligned_crop_are_taken(face: RenderedFace) -> None:
    params = SelfBlendParams(margin=0.3)
    points = canonical_points(128, 128, 0.3)
    given_points, template = (
        self_blend(face.image, np.random.default_rng(2), landmarks, params) for landmarks in (points, None)
    )
    assert np.array_equal(given_points.image, template.image)
    assert np.array_equal(given_points.mask, template.mask)


def test_the_same_generator_gives_the_same_bytes_and_another_does_not(face: RenderedFace) -> None:
    first, again, other = (_blended(face, seed) for seed in (7, 7, 8))
    assert np.array_equal(first.image, again.image) and np.array_equal(first.mask, again.mask)
    assert np.array_equal(first.target, again.target)
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_surroundings_are_changed_as_often_as_wanted(face: RenderedFace, share: float, expected: float) -> None:
    params = SelfBlendParams(target_share=share)
    changed = [not np.array_equal(_blended(face, seed, params).target, face.image) for seed in range(40)]
    assert np.mean(changed) == pytest.approx(expected, abs=0.2)


def test_a_changed_surrounding_leaves_the_copy_as_it_was(face: RenderedFace) -> None:
    """Then the middle of the face is the given one, moved, amid other colours."""
    still = {"shift": 0.0, "scale": 0.0, "opacities": (1.0,)}
    blend = _blended(face, 1, SelfBlendParams(target_share=1.0, **still))
    deep = blend.mask == 255
    assert np.array_equal(blend.image[deep], face.image[deep])
    assert not np.array_equal(blend.target[deep], face.image[deep])


def test_statistics_change_within_their_bounds() -> None:
    flat = np.full((32, 32, 3), 120, np.uint8)
    params = SelfBlendParams(colour=12, contrast=0.1)
    moved = (
        np.array([change_statistics(flat, np.random.default_rng(seed), params)[0, 0] for seed in range(200)]) - 120.0
    )
    assert np.abs(moved).max() <= 12 + 0.1 * 7.5 + 0.1 * 121 + 1
    assert np.abs(moved.mean()) < 2
    assert np.ptp(moved - moved.mean(axis=1, keepdims=True)) > 4, "channels never move apart"


def test_some_copies_are_sharper_and_some_softer(face: RenderedFace) -> None:
    params = SelfBlendParams(colour=0, contrast=0)
    before = np.abs(cv2.Laplacian(face.image, cv2.CV_32F)).mean()
    after = [
        np.abs(cv2.Laplacian(change_statistics(face.image, np.random.default_rng(seed), params), cv2.CV_32F)).mean()
        for seed in range(20)
    ]
    assert min(after) < 0.8 * before and max(after) > 1.2 * before


@pytest.mark.parametrize(
    "broken", [np.zeros((4, 2)), np.full((5, 2), np.nan), np.ones((5, 2))], ids=["four", "nan", "one place"]
)
def test_bad_landmarks_are_refused(face: RenderedFace, broken: np.ndarray) -> None:
    with pytest.raises(ValueError, match="five finite points"):
        self_blend(face.image, np.random.default_rng(0), broken)


@pytest.mark.parametrize("wrong", [{"colour": -1}, {"opacities": ()}, {"coarsest": 0}, {"feather": (0.3, 0.1)}])
def test_bad_params_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        SelfBlendParams.model_validate(wrong)


@pytest.mark.parametrize(
    ("kind", "face_box", "margin"),
    [("aligned", None, 0.3), ("box", None, 0.3), ("given", (0.25, 0.2, 0.5, 0.6), 0.5), ("given", (0, 0, 1.2, 1.2), 0)],
)
def test_a_forger_knows_where_a_face_lies_in_its_crops(kind, face_box, margin):
    faces = FaceParams(margin=0.3)
    geometry = CropGeometry(kind=kind, height=64, width=64, faces=faces, face_box=face_box)
    assert blender_for(geometry).params.margin == pytest.approx(margin)
