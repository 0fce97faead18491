"""Every table can be written and read again, also where values are missing."""

import pyarrow as pa
import pytest

from deepfake_pipeline.tables import schemas
from deepfake_pipeline.tables.stream import ParquetTable, RecordStream, write_shards

SCHEMAS = {name: value for name, value in vars(schemas).items() if isinstance(value, pa.Schema)}
VALUES = {pa.string(): "text", pa.binary(): b"bytes", pa.list_(pa.float32()): [0.5] * 10}


def row(schema, missing):
    return {field.name: None if missing and field.nullable else VALUES.get(field.type, 1) for field in schema}


@pytest.mark.parametrize("name", SCHEMAS)
def test_rows_with_and_without_missing_values_come_back(tmp_path, name):
    schema = SCHEMAS[name]
    rows = [row(schema, missing=number % 2 == 0) for number in range(100)]
    write_shards(RecordStream.of_rows(schema, rows), tmp_path)
    read = [found for batch in ParquetTable(tmp_path).batches() for found in batch.to_pylist()]
    assert read == rows
