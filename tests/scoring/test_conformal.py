"""Unsure, with faces whose risk is known."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy.special import expit

from deepfake_pipeline.scoring.conformal import NEVER, UnsureRule, learn_unsure, least_chance


def faces(groups: int, seed: int, poor: float = 0.2):
    """Two faces a group; their log-odds are worth what they say where they are sharp, and a share of it elsewhere."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), 2)
    sharp = rng.random(2 * groups) < 0.5
    margin = 2.5 * rng.normal(size=2 * groups)
    labels = (rng.random(2 * groups) < expit(np.where(sharp, 2.0, poor) * margin)).astype(int)
    return labels, margin, np.where(sharp, 200.0, 5.0) + rng.random(2 * groups), group


OPTIONS = {"target_error": 0.05, "risk": 0.1, "bins": 2}


def given(rule: UnsureRule, margin: np.ndarray, sharpness: np.ndarray) -> np.ndarray:
    return np.array([abs(m) >= rule.least(s) for m, s in zip(margin, sharpness, strict=True)])


def test_the_promise_holds_but_for_the_risk() -> None:
    broken, shares = 0, []
    for seed in range(60):
        rule = learn_unsure(*faces(600, seed), **OPTIONS).rule
        labels, margin, sharpness, _ = faces(10_000, 1000 + seed)
        verdict = given(rule, margin, sharpness)
        wrong = (margin >= 0) != (labels == 1)
        broken += bool(verdict.any()) and np.mean(wrong[verdict]) > 0.05
        shares.append(verdict.mean())
    assert broken <= 12  # 6 expected at most; P(more than 12) < 0.01
    assert np.mean(shares) > 0.2


def test_poor_pictures_need_more_margin_or_get_no_verdict() -> None:
    rule = learn_unsure(*faces(2000, 1), **OPTIONS).rule
    assert rule.least(5.0) > rule.least(250.0)
    assert rule.least(250.0) < 3


def test_guessing_gets_no_verdicts() -> None:
    rng = np.random.default_rng(0)
    labels, margin = rng.integers(0, 2, 1000), rng.normal(size=1000)
    learnt = learn_unsure(labels, margin, rng.random(1000), np.arange(1000), **OPTIONS)
    assert set(learnt.rule.least_margin) == {NEVER}
    assert learnt.record["verdicts"] == 0
    assert learnt.record["error"] is None


def test_a_part_that_is_worse_than_the_rest_gets_none() -> None:
    labels, margin, sharpness, group = faces(2000, 2, poor=-1.0)
    learnt = learn_unsure(labels, margin, sharpness, group, **OPTIONS)
    assert learnt.rule.least(5.0) == NEVER
    assert learnt.rule.least(250.0) < NEVER
    assert learnt.record["by_quality"][0]["verdicts"] == 0


def test_a_part_that_is_a_little_worse_asks_for_more_and_keeps_some() -> None:
    rng = np.random.default_rng(5)
    sharp, margin = rng.random(6000) < 0.8, rng.uniform(-6, 6, 6000)
    # where it is not sharp, a fifth of the middling margins is wrong, though curve and chance are those of all
    risky = np.where(sharp, 0.02, np.where(np.abs(margin) < 4, 0.2, 0.0)) + np.where(np.abs(margin) < 1, 0.3, 0.0)
    labels = ((margin >= 0) ^ (rng.random(6000) < risky)).astype(int)
    learnt = learn_unsure(labels, margin, np.where(sharp, 200.0, 5.0) + rng.random(6000), np.arange(6000), **OPTIONS)
    poor = learnt.record["by_quality"][0]
    assert learnt.rule.least(250.0) < learnt.rule.least(5.0) < NEVER
    assert poor["wrong"] <= 0.05 * poor["verdicts"]
    assert poor["verdicts"] >= 20


def test_copies_do_not_make_it_surer() -> None:
    labels, margin, sharpness, group = faces(120, 3)
    copied = [np.repeat(column, 20) for column in (labels, margin, sharpness, group)]
    once = learn_unsure(labels, margin, sharpness, group, target_error=0.05, risk=0.1, bins=1)
    often = learn_unsure(*copied, target_error=0.05, risk=0.1, bins=1)
    assert often.record["verdicts"] <= 20 * max(once.record["verdicts"], 24)


def test_the_least_chance_is_that_of_the_first_failure() -> None:
    chance = np.linspace(0, 1, 1000)
    wrong = chance < 0.5  # of the upper half none is wrong, of the lower half every one
    least = least_chance(chance, wrong, np.arange(1000), 0.05, 0.1)
    assert 0.47 <= least <= 0.502  # in steps of two hundredths of the faces
    assert np.mean(wrong[chance >= least]) <= 0.05
    assert least_chance(chance, np.ones(1000, bool), np.arange(1000), 0.05, 0.1) == NEVER


def test_small_faces_get_none_and_rules_can_be_stored() -> None:
    labels, margin, sharpness, group = faces(600, 4)
    sizes = np.where(np.arange(1200) % 2, np.linspace(50, 250, 1200), np.nan)
    rule = learn_unsure(labels, margin, sharpness, group, sizes=sizes, stability=True, **OPTIONS).rule
    assert rule.smallest == pytest.approx(np.nanquantile(sizes, 0.01))
    assert rule.least(200.0, 40.0) == NEVER
    assert rule.least(200.0, 100.0) == rule.least(200.0, None) == rule.least(200.0)
    with_never = UnsureRule(0.05, (1.0, 2.0), (0.5, math.inf, 1.0))
    for one in (rule, with_never):
        assert UnsureRule.from_json(json.loads(json.dumps(one.to_json()))) == one
    assert [with_never.least(value) for value in (0.5, 1.0, 1.5, 2.0)] == [0.5, NEVER, NEVER, 1.0]
    with pytest.raises(ValueError, match="one margin more"):
        UnsureRule.from_json({**with_never.to_json(), "edges": []})
