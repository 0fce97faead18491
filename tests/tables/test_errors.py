"""A user's mistake is told in one line that any terminal can show."""

from deepfake_pipeline.tables.errors import UserError


def test_one_line():
    assert (
        str(UserError("a.parquet: damaged (type: \n  header\r\nfailed)")) == "a.parquet: damaged (type: header failed)"
    )


def test_any_name_can_be_shown():
    assert str(UserError("no file \udcff.png")) == "no file \\udcff.png"
    assert str(UserError("zwei  Räume")) == "zwei  Räume"
