import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepfake_pipeline.media.layouts import LAYOUTS, LayoutParams, MediaEntry
from deepfake_pipeline.tables import Reason
from deepfake_pipeline.tables.errors import UserError

TRUTH = {
    "path": ["real/1.png", "forged/2.png", "../3.png"],
    "label": [0, 1, 1],
    "method": [None, "swap", "swap"],
    "identity": [0, 1, 0],
    "target_identity": [None, 0, 1],
    "pair": ["p00", "p00", "p00"],
    "x": [1.0, 2.0, 3.0],
}


def read(root):
    return list(LAYOUTS["rendered"].read(root, LayoutParams()))


def test_the_group_is_the_pair(tmp_path):
    pq.write_table(pa.table(TRUTH), tmp_path / "truth.parquet")
    first, second, third = read(tmp_path)
    assert first == MediaEntry("real/1.png", 0, ("p00",))
    assert second == MediaEntry("forged/2.png", 1, ("p00",), method="swap")
    assert third.refused is not None and third.refused.reason is Reason.UNSAFE_PATH


def test_a_pair_may_be_a_number(tmp_path):
    pq.write_table(pa.table({**TRUTH, "pair": [7, 7, 8]}), tmp_path / "truth.parquet")
    assert [entry.memberships for entry in read(tmp_path)] == [("7",), ("7",), ("8",)]


def test_what_is_no_rendered_set(tmp_path):
    with pytest.raises(UserError, match=r"no truth\.parquet"):
        read(tmp_path)
    pq.write_table(pa.table(TRUTH).drop_columns(["pair"]), tmp_path / "truth.parquet")
    with pytest.raises(UserError, match="no column pair"):
        read(tmp_path)
    (tmp_path / "truth.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="damaged"):
        read(tmp_path)
