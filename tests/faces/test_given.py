"""Faces by the annotation of the dataset: boxes and labels."""

import numpy as np
import pytest
from PIL import Image

from deepfake_pipeline.faces import Detections, FaceParams, GivenParams
from deepfake_pipeline.faces.extract import FaceExtractor
from deepfake_pipeline.faces.given import GivenDetector, label_of
from deepfake_pipeline.media.images import ImageLimits, decode_image, encode_image
from deepfake_pipeline.media.study import DatasetStudy


def face(box, label):
    return {**dict(zip("xywh", box, strict=True)), "label": label, "polygons": []}


LEFT, RIGHT = face((5, 10, 50, 60), 1), face((100, 20, 60, 50), 0)


@pytest.mark.parametrize(
    ("box", "label"),
    [
        ((5, 10, 50, 60), 1),
        ((105, 25, 55, 45), 0),
        ((60, 10, 30, 30), None),  # nobody is annotated there
        ((5, 10, 25, 29), None),  # less than half
    ],
)
def test_the_label_is_of_the_face_that_is_overlapped_most(box, label):
    assert label_of(box, [LEFT, RIGHT]) == label


def test_unclear_labels_are_null():
    assert label_of((5, 10, 50, 60), [LEFT, LEFT | {"label": 0}]) is None
    assert label_of((5, 10, 50, 60), [LEFT | {"label": None}]) is None
    assert label_of((5, 10, 50, 60), []) is None


def test_given_boxes_are_sure_and_have_no_points():
    blank = np.zeros((120, 200, 3), np.uint8)
    (found,) = GivenDetector(GivenParams(points=False), _Elsewhere()).detect_given([blank], [[RIGHT, LEFT]])
    assert [one.box.tolist() for one in found] == [[5, 10, 50, 60], [100, 20, 60, 50]]
    assert all(one.score == 1 and one.landmarks is None for one in found)


class _Elsewhere:
    """Finds one face in every image, and counts the images."""

    def __init__(self):
        self.seen = 0

    def detect(self, images):
        self.seen += len(images)
        box = np.array([[100, 20, 60, 50]], np.float32)
        return [Detections(box, np.ones(1, np.float32), np.full((1, 5, 2), np.nan, np.float32)) for _ in images]


@pytest.mark.parametrize(("detector", "labels", "seen"), [("given", [1, 0, 1], 1), ("mtcnn", [0, 1], 2)])
def test_each_face_has_its_own_label(tmp_path, detector, labels, seen):
    image = np.random.default_rng(0).integers(0, 256, (120, 200, 3), np.uint8)
    (tmp_path / "a.png").write_bytes(encode_image(image, "png"))
    shared = {"group": "g", "split": "train", "source": "s", "path": "a.png", "kind": "image", "method": "swap"}
    rows = [
        shared | {"sample_id": "a", "label": None, "given_faces": [LEFT, RIGHT]},
        shared | {"sample_id": "b", "label": 1, "given_faces": None},
    ]
    params = FaceParams.model_validate({"detector": {"name": detector}, "min_size": 20})
    elsewhere = _Elsewhere()
    searcher = GivenDetector(GivenParams(points=False), elsewhere) if detector == "given" else elsewhere
    study = DatasetStudy(height=32, width=32)
    found = FaceExtractor(tmp_path, study, params, ImageLimits(), searcher)(rows).faces
    assert found["label"].to_pylist() == labels and elsewhere.seen == seen
    assert found["method"].to_pylist() == ["swap" if label else None for label in labels]


def test_given_boxes_are_of_the_displayed_image(tmp_path):
    """A picture that is stored lying (EXIF orientation 6) and shown upright: the box is where it is seen."""
    shown = np.zeros((120, 80, 3), np.uint8)
    shown[70:110, 10:50] = (250, 10, 10)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(shown)).save(tmp_path / "a.jpg", quality=95, exif=exif)
    params = FaceParams(detector=GivenParams(points=False), margin=0.0, min_size=10)
    extract = FaceExtractor(tmp_path, DatasetStudy(height=32, width=32), params, ImageLimits())
    row = {"sample_id": "a", "label": None, "group": "g", "split": "train", "method": None, "source": "s"}
    found = extract([{**row, "path": "a.jpg", "kind": "image", "given_faces": [face((10, 70, 40, 40), 1)]}])
    (crop,) = (decode_image(one) for one in found.faces["crop"].to_pylist())
    assert found.faces["label"].to_pylist() == [1]
    assert np.abs(crop[4:-4, 4:-4].astype(int) - (250, 10, 10)).mean() < 12
