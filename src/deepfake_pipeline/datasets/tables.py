"""Tables on disk: folders of Parquet shards, written once from a stream and read batch by batch."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pyarrow as pa
from kedro_datasets._typing import ImagePreview, TablePreview

from deepfake_pipeline.datasets.base import LocalDataset
from deepfake_pipeline.media.images import decode_image
from deepfake_pipeline.media.sheets import real_above_forged
from deepfake_pipeline.tables import ParquetTable, RecordStream
from deepfake_pipeline.tables.stream import write_shards

_EXACT_IN_A_BROWSER = 2**53  # beyond it JavaScript rounds: hashes and seeds are shown as text


class TableDataset(LocalDataset[RecordStream, ParquetTable]):
    """Saves a :class:`RecordStream`, loads a :class:`ParquetTable`."""

    def write(self, data: RecordStream, path: Path) -> None:
        path.mkdir()
        write_shards(data, path)

    def read(self, path: Path) -> ParquetTable:
        return ParquetTable(path)

    def preview(self, nrows: int = 20) -> TablePreview:
        """The first rows, for kedro-viz."""
        first = self._first(nrows)
        rows = [[_readable(row[name]) for name in first.schema.names] for row in first.to_pylist()]
        return TablePreview({"index": list(range(len(rows))), "columns": first.schema.names, "data": rows})

    def _first(self, count: int, **filters: Any) -> pa.Table:
        table = self.load()
        batches = []
        for batch in table.batches(rows=count, **filters):
            batches.append(batch.slice(0, count))
            count -= batches[-1].num_rows
            if count == 0:
                break
        return pa.Table.from_batches(batches, schema=table.schema)


class FaceTableDataset(TableDataset):
    """A table with a ``crop`` column of encoded pictures; kedro-viz shows a contact sheet, real above forged."""

    def preview(self, columns: int = 8) -> ImagePreview:
        """Real faces in the first two rows, forged ones in the next two."""
        label = pa.compute.field("label")
        real, forged = (
            [decode_image(row["crop"]) for row in self._first(2 * columns, where=label == wanted).to_pylist()]
            for wanted in (0, 1)
        )
        return ImagePreview(base64.b64encode(real_above_forged(real, forged, columns)).decode())


def _readable(value: Any) -> Any:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, list):
        return ", ".join(f"{item:.4g}" if isinstance(item, float) else str(item) for item in value)
    if isinstance(value, int) and abs(value) > _EXACT_IN_A_BROWSER:
        return str(value)
    return value
