import pyarrow as pa
import pyarrow.dataset as pads
import pytest

from deepfake_pipeline.tables.stream import (
    GROUP_ROWS,
    SHARD_ROWS,
    ParquetTable,
    RecordStream,
    batches_of,
    write_shards,
)

SCHEMA = pa.schema([("number", pa.int64()), ("name", pa.string())])


def stream(count, size=100):
    return RecordStream(SCHEMA, batches_of(SCHEMA, ({"number": n, "name": f"n{n}"} for n in range(count)), size))


def written(folder, count, size=100):
    folder.mkdir()
    assert write_shards(stream(count, size), folder) == count
    return ParquetTable(folder)


@pytest.mark.parametrize("count", [0, 1, GROUP_ROWS, SHARD_ROWS, SHARD_ROWS + 1, 2 * SHARD_ROWS + 300])
def test_rows_come_back_in_order(tmp_path, count):
    table = written(tmp_path / "t", count)
    assert table.count() == count
    assert table.read(["number"]).number.tolist() == list(range(count))
    assert table.schema == SCHEMA


def test_bytes_do_not_depend_on_how_rows_were_batched(tmp_path):
    for name, size in (("a", 7), ("b", 500)):
        written(tmp_path / name, 5000, size)
    assert [p.read_bytes() for p in sorted((tmp_path / "a").iterdir())] == [
        p.read_bytes() for p in sorted((tmp_path / "b").iterdir())
    ]


def test_reading_by_batches_filters_and_keeps_order(tmp_path):
    table = written(tmp_path / "t", 6000)
    batches = list(table.batches(["number"], pads.field("number") >= 4000, rows=64))
    assert max(batch.num_rows for batch in batches) <= 64
    assert [n for batch in batches for n in batch.to_pydict()["number"]] == list(range(4000, 6000))


def test_only_one_row_group_is_held_at_a_time(tmp_path):
    taken = 0

    def rows():
        nonlocal taken
        for number in range(3 * GROUP_ROWS):
            taken += 1
            yield {"number": number}
            on_disk = sum(p.stat().st_size for p in tmp_path.glob("*.parquet"))
            assert taken <= 2 * GROUP_ROWS or on_disk > 4, "nothing was written while rows piled up"

    write_shards(RecordStream.of_rows(SCHEMA, rows()), tmp_path)


def test_an_unknown_column_is_an_error():
    with pytest.raises(KeyError, match="nmae"):
        list(batches_of(SCHEMA, [{"nmae": "x"}]))
