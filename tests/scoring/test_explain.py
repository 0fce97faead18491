"""Heat maps of a detector whose evidence is planted."""

from __future__ import annotations

import copy

import cv2
import numpy as np
import pytest
import torch
from scipy.stats import wilcoxon
from torch import nn

from deepfake_pipeline.models.detector import DetectorOutput
from deepfake_pipeline.models.ensemble import ensemble_of
from deepfake_pipeline.models.run import DetectorRunner
from deepfake_pipeline.models.store import build_network
from deepfake_pipeline.scoring.explain import EXPLANATIONS, Explainer, deletion_falls, grad_cam, overlay
from deepfake_pipeline.tables.errors import UserError

SIDE, SPOT = 64, 16


class SeesChecks(nn.Module):
    """Log-odds rise with the strongest fine checks in a picture, as seen by a fixed filter and a map at 1/4 size."""

    image_size = SIDE

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(6.0))

    def forward(self, images):
        checks = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).expand(1, 3, 2, 2) / 12
        seen = nn.functional.conv2d(images, checks).abs()
        feature_map = nn.functional.avg_pool2d(seen, 4) * self.gain
        return DetectorOutput(feature_map.sum((1, 2, 3)) - 3, feature_map, feature_map.flatten(1))


def planted(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A smooth picture with a square of fine checks, and where it is."""
    rng = np.random.default_rng(seed)
    small = rng.integers(60, 196, (4, 4, 3), dtype=np.uint8)
    picture = np.asarray(cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.uint8)
    top, left = rng.integers(0, SIDE - SPOT, 2)
    inside = np.zeros((SIDE, SIDE), bool)
    inside[top : top + SPOT, left : left + SPOT] = True
    checks = np.where(np.indices((SIDE, SIDE)).sum(axis=0) % 2, 40, -40)[..., None]
    return np.where(inside[..., None], np.clip(picture + checks, 0, 255), picture).astype(np.uint8), inside


@pytest.fixture(scope="module")
def judge() -> DetectorRunner:
    return DetectorRunner(SeesChecks(), "cpu")


@pytest.mark.parametrize("name", EXPLANATIONS)
def test_the_peak_lies_in_what_was_planted_and_deleting_it_lowers_the_score(name: str, judge: DetectorRunner) -> None:
    hits, ranked, random = [], [], []
    for seed in range(20):
        picture, inside = planted(seed)
        heat = EXPLANATIONS[name](judge, picture)
        assert heat.shape == (SIDE, SIDE)
        hits.append(inside[np.unravel_index(int(np.argmax(heat)), heat.shape)])
        falls = deletion_falls(judge, picture, heat, 0.06, np.random.default_rng(seed))
        ranked.append(falls[0])
        random.append(falls[1])
    assert np.mean(hits) >= 0.8  # the bar of the project
    assert wilcoxon(ranked, random, alternative="greater").pvalue < 0.001


def test_a_map_that_knows_nothing_is_found_out(judge: DetectorRunner) -> None:
    falls = []
    for seed in range(30):
        picture, _ = planted(seed)
        heat = cv2.GaussianBlur(np.random.default_rng(100 + seed).random((SIDE, SIDE)), (0, 0), 4)
        falls.append(deletion_falls(judge, picture, heat, 0.06, np.random.default_rng(seed)))
    assert wilcoxon(*np.array(falls).T, alternative="greater").pvalue > 0.01


def test_explaining_leaves_the_detector_as_it_was(judge: DetectorRunner) -> None:
    picture, _ = planted(1)
    before = judge.judge(picture[None]).logit
    for explain in EXPLANATIONS.values():
        assert np.array_equal(explain(judge, picture), explain(judge, picture))
    assert np.array_equal(judge.judge(picture[None]).logit, before)
    assert all(parameter.grad is None for parameter in judge.network.parameters())


def test_maps_of_an_ensemble_are_those_of_its_members_each_over_its_temperature() -> None:
    torch.manual_seed(0)
    sizes = ({"image_size": 32}, {"image_size": 48})
    members = [build_network("meso4", config).eval() for config in sizes]
    picture = planted(0)[0]
    together = DetectorRunner(ensemble_of(zip(members, (2.0, 0.5), strict=True)), "cpu")
    assert np.isfinite(EXPLANATIONS["occlusion"](together, picture)).all()
    alone = grad_cam(DetectorRunner(ensemble_of([(members[1], 1.0)]), "cpu"), picture)
    np.testing.assert_allclose(alone, grad_cam(DetectorRunner(members[1], "cpu"), picture), atol=1e-7)
    same = DetectorRunner(ensemble_of([(members[1], 2.0), (members[1], 0.5)]), "cpu")
    np.testing.assert_allclose(grad_cam(same, picture), alone * (1 / 2 + 1 / 0.5) / 2, rtol=1e-4, atol=1e-9)


def test_a_map_that_does_not_lead_to_the_logit_is_refused(judge: DetectorRunner) -> None:
    class Aside(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> DetectorOutput:
            output = judge.network(images)
            return DetectorOutput(output.logit, images[:, :1].clone(), output.embedding)

    aside = copy.copy(judge)
    aside.network = Aside()
    with pytest.raises(UserError, match="by occlusion"):
        grad_cam(aside, planted(0)[0])


def test_overlays_show_the_face_beside_the_map_and_have_names_of_their_own(judge: DetectorRunner, tmp_path) -> None:
    picture, inside = planted(2)
    shown = overlay(picture, inside.astype(float))
    assert np.array_equal(shown[:, :SIDE], picture)
    red = shown[:, SIDE:].astype(int)
    assert (red[inside][:, 0] > red[inside][:, 1] + 40).all()
    assert (red[~inside] == red[~inside][:, :1]).all()
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))[..., None].repeat(3, axis=2)
    assert np.array_equal(overlay(picture, -inside.astype(float))[:, SIDE:], grey)
    writer = Explainer(tmp_path / "new" / "folder")
    rows = [{"path": "a/x.jpg", "face": 0}, {"path": "b/x.jpg", "face": 0}, {"path": "v.mp4", "frame": 12, "face": 1}]
    written = [writer.write(judge, picture, row) for row in rows]
    assert len({path.name for path in written}) == 3
    assert written[2].name.startswith("v.mp4-") and written[2].name.endswith("-000012-01.png")
    assert sorted(path.name for path in writer.folder.iterdir()) == sorted(path.name for path in written)
    assert cv2.imread(str(written[0])).shape == (SIDE, 2 * SIDE, 3)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot make the folder"):
        Explainer(tmp_path / "file")
