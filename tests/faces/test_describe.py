"""The descriptor: same people close, others apart, and a package that says how well it was tried."""

import hashlib

import cv2
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from deepfake_pipeline.faces.align import aligning, warp
from deepfake_pipeline.faces.describe import (
    DIMENSIONS,
    PACKAGED,
    features,
    fit_descriptor,
    packaged_descriptor,
    save_descriptor,
)
from deepfake_pipeline.media.render import RenderParams, render_face

PEOPLE, PICTURES = 10, 3


@pytest.fixture(scope="module")
def rendered():
    """People of a seed that neither fitted nor tried the packaged descriptor."""
    params = RenderParams(identities=PEOPLE, size=64, seed=7)
    faces = [(person, render_face(person, index, params)) for person in range(PEOPLE) for index in range(PICTURES)]
    crops = [warp(face.image, aligning(face.landmarks, 64, 64, 0.15), 64, 64) for _, face in faces]
    return crops, np.array([person for person, _ in faces])


def test_the_packaged_one_tells_rendered_people_apart(rendered):
    crops, people = rendered
    vectors = packaged_descriptor().describe(crops)
    assert vectors.shape == (PEOPLE * PICTURES, DIMENSIONS)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)
    first, second = np.triu_indices(len(people), 1)
    cosine = (vectors @ vectors.T)[first, second]
    # Another draw of few people: within three standard errors of the trial that the package remembers.
    trial = packaged_descriptor().trial
    error = (trial["high"] - trial["low"]) / 4 * np.sqrt(trial["people"] / PEOPLE)
    assert roc_auc_score(people[first] == people[second], cosine) > trial["auroc"] - 3 * error
    assert 0 <= trial["low"] <= trial["auroc"] <= trial["high"] <= 1


def test_size_hardly_matters(rendered):
    crops, _ = rendered
    large = [cv2.resize(crop, (160, 160), interpolation=cv2.INTER_CUBIC) for crop in crops]
    descriptor = packaged_descriptor()
    assert np.sum(descriptor.describe(crops) * descriptor.describe(large), axis=1).min() > 0.8


def test_a_fit_brings_a_person_closer_and_gives_the_same_bytes_again(rendered, tmp_path):
    crops, people = rendered
    raw = np.stack([features(crop) for crop in crops])
    raw /= np.linalg.norm(raw, axis=1, keepdims=True)
    descriptor = fit_descriptor(crops * 3, [*people] * 3, trial={"auroc": 1.0})
    fitted = descriptor.describe(crops)
    first, second = np.triu_indices(len(people), 1)
    same = people[first] == people[second]
    before, after = (roc_auc_score(same, (x @ x.T)[first, second]) for x in (raw, fitted))
    assert after > before
    digests = set()
    for name in ("a", "b"):
        save_descriptor(descriptor, tmp_path / name)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_the_packaged_file_is_small():
    assert PACKAGED.stat().st_size < 200_000
