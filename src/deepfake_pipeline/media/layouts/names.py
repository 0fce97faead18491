"""Names that datasets give to classes and splits."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from deepfake_pipeline.media.layouts.base import FORGED, REAL
from deepfake_pipeline.tables.splits import Split

_REAL = frozenset(
    ("real", "reals", "original", "originals", "genuine", "authentic", "pristine", "bonafide", "live", "unaltered")
)
_FAKE = frozenset(
    (
        "fake",
        "fakes",
        "deepfake",
        "deepfakes",
        "manipulated",
        "manipulation",
        "forged",
        "forgery",
        "forgeries",
        "spoof",
        "spoofed",
        "tampered",
        "altered",
        "synthetic",
        "synthesis",
        "synthesized",
        "generated",
        "ai",
        "aigenerated",
    )
)
_METHODS = frozenset(("faceswap", "face2face", "neuraltextures", "faceshifter", "gan", "swap", "swapped"))
_SPLITS: dict[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "val", "valid", "validate", "dev"), "validation"),
    **dict.fromkeys(("calibration", "calib"), "calibration"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_FILLERS = frozenset(
    (
        "image",
        "images",
        "img",
        "imgs",
        "picture",
        "pictures",
        "pic",
        "pics",
        "photo",
        "photos",
        "face",
        "faces",
        "crop",
        "crops",
        "cropped",
        "video",
        "videos",
        "frame",
        "frames",
        "sample",
        "samples",
        "sequence",
        "sequences",
        "set",
    )
)
_LABELS = {"real": REAL, "fake": FORGED, "neither": None}
_KNOWN: dict[str, int | None] = {
    **dict.fromkeys(_REAL, REAL),
    **dict.fromkeys(_FAKE, FORGED),
    **dict.fromkeys(_METHODS, FORGED),
}


def words(name: str) -> list[str]:
    """Words of a name in small letters: split at spaces, ``-``, ``_``, ``.`` and where a capital follows.

    >>> words("Training_fakeFaces")
    ['training', 'fake', 'faces']
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFKC", name))
    return [word for word in re.split(r"[\s\-_.]+", spaced.casefold()) if word]


class ClassNames:
    """Labels by the names of classes: a user's own map first, then the known names.

    A name is looked up whole (``Deep-Fake`` is ``deepfake``) and, if unknown, without words that say nothing
    about the class (``0_real``, ``fake images``, ``training_real``).
    """

    def __init__(self, class_map: Mapping[str, str]) -> None:
        own = {"".join(words(name)): _LABELS[kind] for name, kind in class_map.items()}
        self._labels = {**_KNOWN, **own}

    def label(self, name: str) -> int | None:
        """1 forged, 0 real, None for a name that is no class."""
        key = self._key(name)
        return None if key is None else self._labels[key]

    def method(self, name: str) -> str | None:
        """The name itself if it says how a forgery was made, None where it says no more than *fake*."""
        return None if self._key(name) in _FAKE else name

    def _key(self, name: str) -> str | None:
        parts = words(name)
        telling = [w for w in parts if w not in _FILLERS and w not in _SPLITS and not w.isdecimal()]
        return next((key for key in ("".join(parts), "".join(telling)) if key and key in self._labels), None)


def split_of(name: str, classes: ClassNames) -> Split | None:
    """Split that a name stands for, alone or beside a class (``Train``, ``Test-Dev``, ``training_fake``)."""
    parts = words(name)
    splits = [_SPLITS[word] for word in parts if word in _SPLITS]
    rest = "".join(w for w in parts if w not in _SPLITS and w not in _FILLERS and not w.isdecimal())
    return splits[0] if splits and (not rest or classes.label(rest) is not None) else None
