import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_pipeline.media.paths import is_encodable, is_litter, printable, safe_path, walk_files
from deepfake_pipeline.tables import Reason, Refused


class TestSafePath:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("a/b.jpg", "a/b.jpg"),
            ("./a//b.jpg", "a/b.jpg"),
            ("a\\b\\c.jpg", "a/b/c.jpg"),
            ("Fotos/Müller 12:30.jpg", "Fotos/Müller 12:30.jpg"),
            ("a..b/..c/d...jpg", "a..b/..c/d...jpg"),
        ],
    )
    def test_harmless(self, name, expected):
        assert safe_path(name) == expected

    @pytest.mark.parametrize(
        "name",
        [
            "/etc/passwd",
            "\\\\host\\share",
            "C:\\x.jpg",
            "c:x.jpg",
            "../x",
            "a/../../x",
            "a\\..\\..\\x",
            "..",
            "",
            ".",
            "./",
            "a\x00b.jpg",
            "a\nb.jpg",
            "\udc80.jpg",
            "x" * 256,
        ],
    )
    def test_harmful(self, name):
        with pytest.raises(Refused) as caught:
            safe_path(name)
        assert caught.value.reason is Reason.UNSAFE_PATH

    @given(st.text())
    def test_stays_below(self, name):
        try:
            path = safe_path(name)
        except Refused:
            return
        root = "/data/below"
        assert os.path.normpath(os.path.join(root, path)).startswith(root + "/")
        assert safe_path(path) == path


@given(st.text(st.characters(exclude_categories=[])))
def test_printable_is_one_line_of_utf8(text):
    shown = printable(text)
    shown.encode()
    assert "\n" not in shown and "\x1b" not in shown
    assert printable(shown) == shown


def test_is_encodable():
    assert is_encodable("Müller.jpg") and not is_encodable("\udcfc.jpg")


def test_litter():
    assert is_litter(["__MACOSX", "a.jpg"]) and is_litter(["a", ".DS_Store"]) and is_litter(["Thumbs.db"])
    assert not is_litter(["a", "b.jpg"])


class TestWalkFiles:
    def build(self, root: Path, *paths: str) -> None:
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(b"x")

    def test_all_but_litter_in_a_fixed_order(self, tmp_path):
        self.build(tmp_path, "b/2.jpg", "b/1.jpg", "a.txt", "__MACOSX/b/1.jpg", "b/.hidden", ".git/x", "c/d/e/f")
        assert list(walk_files(tmp_path)) == ["a.txt", "b/1.jpg", "b/2.jpg", "c/d/e/f"]

    def test_links_to_folders_are_followed_once(self, tmp_path):
        self.build(tmp_path, "elsewhere/1.jpg", "root/a/2.jpg")
        root = tmp_path / "root"
        (root / "linked").symlink_to(tmp_path / "elsewhere")
        (root / "a" / "loop").symlink_to(root)
        assert list(walk_files(root)) == ["a/2.jpg", "linked/1.jpg"]

    @pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
    def test_undecodable_names_are_listed(self, tmp_path):
        with open(os.fsencode(tmp_path) + b"/\xff.jpg", "wb"):
            pass
        assert [printable(path) for path in walk_files(tmp_path)] == ["\\udcff.jpg"]
