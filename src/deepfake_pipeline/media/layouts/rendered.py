"""Layout ``rendered``: the built-in set, whose truth is written beside its files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from deepfake_pipeline.media.layouts.base import FORGED, LayoutParams, MediaEntry
from deepfake_pipeline.media.paths import safe_path
from deepfake_pipeline.tables import Refused
from deepfake_pipeline.tables.errors import UserError

TRUTH = "truth.parquet"
_COLUMNS = ("path", "label", "method", "pair")


class Rendered:
    """``truth.parquet`` in the root, with the columns path, label, method and pair. The group is the pair: the two
    identities that are swapped with one another and with no other."""

    groups = "pairs of identities"
    identities = True

    def recognise(self, root: Path, files: Sequence[str], params: LayoutParams) -> str | None:
        """See :class:`Layout`."""
        return f"{TRUTH} in the root" if TRUTH in files else None

    def read(self, root: Path, params: LayoutParams) -> Iterator[MediaEntry]:
        """Every row of the truth; see :class:`Layout`."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        truth = root / TRUTH
        if not truth.is_file():
            raise UserError(f"{root}: no {TRUTH}, so not a rendered set; set study.layout to folders or manifest")
        try:
            with pq.ParquetFile(truth) as file:
                if missing := [name for name in _COLUMNS if name not in file.schema_arrow.names]:
                    raise UserError(f"{truth}: no column {' and no column '.join(missing)}; render the set anew")
                for batch in file.iter_batches(columns=list(_COLUMNS)):
                    yield from (_entry(**row) for row in batch.to_pylist())
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{truth}: a damaged Parquet file ({error}); render the set anew") from error


def _entry(path: str, label: int, method: str | None, pair: object) -> MediaEntry:
    try:
        safe, refused = safe_path(path), None
    except Refused as error:
        safe, refused = path, error
    return MediaEntry(
        path=safe,
        label=label,
        memberships=(str(pair),),
        method=method if label == FORGED else None,
        refused=refused,
    )
