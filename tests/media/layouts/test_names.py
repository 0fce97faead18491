import pytest

from deepfake_pipeline.media.layouts.names import ClassNames, split_of

KNOWN = ClassNames({})


@pytest.mark.parametrize(
    "name",
    [
        "Real",
        "REAL",
        "real",
        "original",
        "Originals",
        "genuine",
        "authentic",
        "pristine",
        "bona-fide",
        "0_real",
        "real images",
        "RealFaces",
        "training_real",
        "original_sequences",
    ],
)
def test_real(name):
    assert KNOWN.label(name) == 0


@pytest.mark.parametrize(
    "name",
    [
        "Fake",
        "FAKE",
        "Deepfake",
        "Deep-Fake",
        "deep_fakes",
        "DeepFake",
        "manipulated",
        "forged",
        "spoof",
        "1_fake",
        "fake images",
        "FakeFaces",
        "training_fake",
        "manipulated_sequences",
        "FaceSwap",
        "Face2Face",
        "NeuralTextures",
    ],
)
def test_fake(name):
    assert KNOWN.label(name) == 1


@pytest.mark.parametrize(
    "name", ["", "images", "Alice", "0", "1", "train", "real_vs_fake", "Realistic", "deepfake dataset"]
)
def test_neither(name):
    assert KNOWN.label(name) is None


def test_a_map_of_ones_own_comes_first():
    own = ClassNames({"Style-GAN 2": "fake", "ORIGINAL": "fake", "live": "neither", "0": "real"})
    assert own.label("stylegan2") == 1 and own.label("original") == 1 and own.label("fake") == 1
    assert own.label("Live") is None and own.label("0") == 0 and own.label("1") is None


def test_a_name_of_separators_matches_nothing():
    assert ClassNames({"--": "fake"}).label("images") is None


@pytest.mark.parametrize(
    ("name", "method"), [("Fake", None), ("deepfakes", None), ("0_fake", None), ("FaceSwap", "FaceSwap")]
)
def test_method(name, method):
    assert KNOWN.method(name) == method


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("Train", "train"),
        ("training set", "train"),
        ("Val", "validation"),
        ("valid", "validation"),
        ("Validation", "validation"),
        ("TEST", "test"),
        ("Test-Dev", "test"),
        ("calibration", "calibration"),
        ("training_fake", "train"),
        ("test images", "test"),
        ("", None),
        ("Real", None),
        ("contest", None),
        ("test results", None),
    ],
)
def test_split(name, split):
    assert split_of(name, KNOWN) == split
