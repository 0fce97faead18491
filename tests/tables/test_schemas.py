"""Every table can be written and read again, also where values are missing."""

import pyarrow as pa
import pytest

from deepfake_pipeline.tables import schemas
from deepfake_pipeline.tables.stream import ParquetTable, RecordStream, write_shards

SCHEMAS = {name: value for name, value in vars(schemas).items() if isinstance(value, pa.Schema)}
VALUES = {pa.string(): "text", pa.binary(): b"bytes", pa.bool_(): True}


def value(kind, missing):
    """A value of an Arrow type; of a list, one that holds others."""
    if pa.types.is_list(kind):
        return [value(kind.value_type, missing)] * 10
    if pa.types.is_struct(kind):
        return row(kind, missing)
    return VALUES.get(kind, 1)


def row(fields, missing):
    return {field.name: None if missing and field.nullable else value(field.type, missing) for field in fields}


@pytest.mark.parametrize("name", SCHEMAS)
def test_rows_with_and_without_missing_values_come_back(tmp_path, name):
    schema = SCHEMAS[name]
    rows = [row(schema, missing=number % 2 == 0) for number in range(100)]
    write_shards(RecordStream.of_rows(schema, rows), tmp_path)
    read = [found for batch in ParquetTable(tmp_path).batches() for found in batch.to_pylist()]
    assert read == rows
