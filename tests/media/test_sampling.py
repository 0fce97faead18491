"""Which frames are chosen."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from deepfake_pipeline.media.sampling import SceneCuts, VideoSampling, planned_frames, spread
from tests.media.pictures import smooth

MS = Fraction(1, 1000)


@given(st.integers(0, 2000), st.integers(1, 200))
def test_spread_is_even_and_symmetric(total: int, count: int) -> None:
    chosen = spread(total, count)
    assert len(chosen) == min(total, count)
    assert chosen == sorted(set(chosen))
    assert all(0 <= number < total for number in chosen)
    gaps = np.diff([-0.5 - (chosen[0] + 0.5), *chosen]) if chosen else np.zeros(1)  # mirrored at the start
    assert len(chosen) < 2 or np.ptp(gaps[1:]) <= 1
    assert not chosen or abs(chosen[0] - (total - 1 - chosen[-1])) <= 1


def test_by_rate_takes_the_first_frame_of_each_period() -> None:
    steady = [40 * number for number in range(100)]
    assert planned_frames(steady, MS, VideoSampling(by="rate", rate=25)) == list(range(100))
    assert planned_frames(steady, MS, VideoSampling(by="rate", rate=2.5)) == list(range(0, 100, 10))
    late = [time + 7777 for time in steady]
    assert planned_frames(late, MS, VideoSampling(by="rate", rate=2.5)) == list(range(0, 100, 10))


def test_by_rate_follows_uneven_times() -> None:
    times = [0, 10, 20, 30, 1000, 1010, 3500, 3990, 4000]
    assert planned_frames(times, MS, VideoSampling(by="rate", rate=1)) == [0, 4, 6, 8]


@settings(deadline=None)
@given(st.lists(st.integers(0, 9000), min_size=1, max_size=60, unique=True), st.sampled_from([0.1, 0.3, 1, 7.5, 30]))
def test_by_rate_agrees_with_a_plain_search(times: list[int], rate: float) -> None:
    times = sorted(times)
    period = 1000 / Fraction(str(rate))
    expected = sorted(
        {
            next(number for number, time in enumerate(times) if time - times[0] >= step * period)
            for step in range(int((times[-1] - times[0]) / period) + 1)
        }
    )
    assert planned_frames(times, MS, VideoSampling(by="rate", rate=rate)) == expected


def test_what_is_too_much_is_thinned_evenly() -> None:
    steady = [40 * number for number in range(1000)]
    assert planned_frames(steady, MS, VideoSampling(by="rate", rate=25, max_frames=4)) == [125, 375, 625, 875]
    assert planned_frames(steady, MS, VideoSampling(count=50, max_frames=4)) == [125, 375, 625, 875]
    assert planned_frames([], MS, VideoSampling(by="rate")) == []


def _scenes() -> list[np.ndarray]:
    """Three scenes of twelve frames: one still, one panning steadily, one with a moving square and noise."""
    rng = np.random.default_rng(0)
    wide = smooth(2, 120, 400)
    third = [smooth(3, 120, 160).copy() for _ in range(12)]
    for number, image in enumerate(third):
        image[20:60, 8 * number : 8 * number + 40] = 255
    panning = [wide[:, 4 * number : 4 * number + 160] for number in range(12)]
    frames = [smooth(1, 120, 160)] * 12 + panning + third
    return [np.clip(frame + rng.normal(0, 6, frame.shape), 0, 255).astype(np.uint8) for frame in frames]


def test_scenes_begin_where_they_were_cut() -> None:
    cuts = SceneCuts(0.1)
    assert [number for number, image in enumerate(_scenes()) if cuts.starts(image)] == [0, 12, 24]


def test_scores_are_known_for_flat_frames() -> None:
    cuts = SceneCuts(0.1)
    greys = [np.full((30, 40, 3), value, np.uint8) for value in (0, 51, 51, 102, 153)]
    assert [cuts.score(grey) for grey in greys] == pytest.approx([1, 0.2, 0, 0.2, 0], abs=1e-6)


@pytest.mark.parametrize("wrong", [{"count": 0}, {"rate": 0}, {"by": "luck"}, {"scene_change": 1}, {"unknown": 1}])
def test_wrong_parameters_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        VideoSampling.model_validate(wrong)
