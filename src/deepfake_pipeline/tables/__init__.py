"""Tables: their schemas, streams of record batches, ids, groups and splits."""

from deepfake_pipeline.tables.reasons import Reason, Refused
from deepfake_pipeline.tables.stream import ParquetTable, RecordStream, Table, batches_of

__all__ = ["ParquetTable", "Reason", "RecordStream", "Refused", "Table", "batches_of"]
