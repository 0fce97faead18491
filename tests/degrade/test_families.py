"""Each degradation against an oracle of its own."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from scipy.ndimage import gaussian_filter
from scipy.stats import binom

from deepfake_pipeline.degrade import DEGRADATIONS
from deepfake_pipeline.degrade.blur import TRUNCATE, GaussianBlur
from deepfake_pipeline.degrade.compression import Jpeg
from deepfake_pipeline.degrade.noise import SaltAndPepper
from deepfake_pipeline.degrade.severity import REFERENCE_SIDE, SEVERITIES, STEPS, as_markdown
from deepfake_pipeline.degrade.shadow import DISPLAY_GAMMA, Shadow
from tests.degrade.pictures import Image, face, pictures, texture


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("sigma", STEPS["gaussian_blur"].values)
@pytest.mark.parametrize("size", [160, 224, 256])
def test_blur_is_scipys_gaussian_filter_in_pixels_of_the_face(sigma: float, size: int) -> None:
    image = face(size)
    blurred = GaussianBlur(sigma).apply(image, rng())
    scaled = sigma * size / REFERENCE_SIDE
    radius = int(np.ceil(TRUNCATE * scaled))
    expected = gaussian_filter(image.astype(float), (scaled, scaled, 0), mode="mirror", radius=(radius, radius, 0))
    assert np.abs(blurred - expected).max() <= 1.5  # rounding, twice, and a kernel in fixed point
    assert np.abs(blurred - expected).mean() < 0.35  # rounding once is 0.25


def test_blur_takes_the_same_detail_at_any_size() -> None:
    large, small = face(448), face(160)
    after = [GaussianBlur(4.0).apply(image, rng()) for image in (large, small)]
    shrunk = cv2.resize(after[0], (160, 160), interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk.astype(int) - after[1]).mean() < 1.5


@given(st.floats(0, 5), st.floats(0, 6.3), st.floats(-0.3, 0.3), st.floats(0.05, 0.5), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_shadow_only_darkens(stops: float, direction: float, offset: float, softness: float, seed: int) -> None:
    image = texture(seed, 64)
    shaded = Shadow(stops, direction, offset, softness).apply(image, rng())
    assert (shaded <= image).all()


def test_shadow_lies_where_it_says_and_is_as_dark_as_it_says() -> None:
    white = np.full((101, 201, 3), 255, np.uint8)
    shaded = Shadow(stops=2.0, direction=0.0, offset=0.25, softness=0.2).apply(white, rng())
    dark = round(255 * 2 ** (-2 / DISPLAY_GAMMA))
    edge = 100 + 0.25 * 101  # right of the centre, in shares of the shorter side
    assert (shaded[:, : int(edge - 0.1 * 101) - 1] == 255).all()
    assert (shaded[:, int(edge + 0.1 * 101) + 2 :] == dark).all()
    assert shaded[50, round(edge), 0] == pytest.approx((255 + dark) / 2, abs=4)
    assert (np.diff(shaded[50, :, 0].astype(int)) <= 0).all()
    below = Shadow(2.0, np.pi / 2, 0.0, 0.2).apply(white, rng())
    assert (below[0] == 255).all()
    assert (below[-1] == dark).all()


def test_shadow_keeps_colours() -> None:
    image = np.full((64, 64, 3), (240, 120, 60), np.uint8)
    shaded = Shadow(3.0, 0.7, 0.0, 0.3).apply(image, rng()).astype(float)
    assert np.abs(shaded[..., 0] / 2 - shaded[..., 1]).max() <= 1
    assert np.abs(shaded[..., 0] / 4 - shaded[..., 2]).max() <= 1


def test_shadows_cover_a_fair_part_of_the_face() -> None:
    white = np.full((64, 64, 3), 255, np.uint8)
    drawn = [Shadow.draw(5, rng(seed)) for seed in range(300)]
    shares = [float((shadow.apply(white, rng())[..., 0] < 160).mean()) for shadow in drawn]
    assert 0.25 < min(shares) < max(shares) < 0.75
    turns = np.histogram([shadow.direction for shadow in drawn], bins=4, range=(0, 2 * np.pi))[0]
    assert turns.min() > 50


@pytest.mark.parametrize("share", STEPS["salt_and_pepper"].values)
def test_salt_and_pepper_hits_its_share_of_whole_pixels(share: float) -> None:
    image = np.clip(face(), 1, 254)  # so that 0 and 255 can only be the noise
    noisy = SaltAndPepper(share).apply(image, rng(int(share * 100)))
    hit = (noisy != image).any(axis=2)
    assert np.isin(noisy[hit], (0, 255)).all()
    assert (noisy[hit] == noisy[hit][:, :1]).all()
    count = int(hit.sum())
    low, high = binom.interval(1 - 1e-6, hit.size, share)
    assert low <= count <= high
    low, high = binom.interval(1 - 1e-6, count, 0.5)
    assert low <= int((noisy[hit][:, 0] == 255).sum()) <= high


def test_salt_and_pepper_of_nothing_and_of_everything() -> None:
    image = np.clip(face(), 1, 254)
    assert np.array_equal(SaltAndPepper(0.0).apply(image, rng()), image)
    assert np.isin(SaltAndPepper(1.0).apply(image, rng()), (0, 255)).all()


@pytest.mark.parametrize("quality", [*STEPS["jpeg"].values, 95])
def test_jpeg_is_one_round_trip_of_opencv_and_of_pillow(quality: float) -> None:
    for image in pictures()[:3]:
        found = Jpeg(int(quality)).apply(image, rng())
        _, stream = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
        decoded = cv2.imdecode(stream, cv2.IMREAD_COLOR)
        assert decoded is not None
        assert np.array_equal(found, decoded[..., ::-1])
        buffer = io.BytesIO()
        Pillow.fromarray(image).save(buffer, "JPEG", quality=int(quality), subsampling="4:2:0")
        assert np.array_equal(found, np.asarray(Pillow.open(buffer)))


@pytest.mark.parametrize("name", STEPS)
def test_the_table_of_severities_is_whole(name: str) -> None:
    steps = STEPS[name]
    assert len(steps.values) == len(SEVERITIES)
    assert steps.unit and steps.source
    assert [steps.at(severity) for severity in SEVERITIES] == list(steps.values)
    between = steps.at(2.5)
    assert min(steps.values[1:3]) < between < max(steps.values[1:3])
    for outside in (0.99, 5.01):
        with pytest.raises(ValueError, match="not in"):
            steps.at(outside)


def test_the_documentation_has_the_table_of_severities_as_it_is() -> None:
    page = Path(__file__).parents[2] / "docs" / "degradations.md"
    assert as_markdown() in page.read_text(), "put what severity.as_markdown() returns into docs/degradations.md"


def image_of(height: int, width: int) -> Image:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(st.integers(16, 90), st.integers(16, 90))
@settings(max_examples=25, deadline=None)
def test_any_size_from_sixteen_up(height: int, width: int) -> None:
    image = image_of(height, width)
    for kind in DEGRADATIONS.values():
        degraded = kind.draw(5, rng()).apply(image, rng())
        assert degraded.shape == image.shape
        assert degraded.dtype == np.uint8
