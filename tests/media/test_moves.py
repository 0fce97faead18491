"""Added data moves a row only where it joins groups, and the rows that it moves are named."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_pipeline.media.certificate import certify_files, in_words
from deepfake_pipeline.media.index import index_source
from deepfake_pipeline.media.index_params import IndexParams
from deepfake_pipeline.media.layouts import LAYOUTS
from deepfake_pipeline.media.moves import moves_since, open_earlier
from deepfake_pipeline.media.sources import MediaSource
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.tables import ParquetTable, RecordStream
from deepfake_pipeline.tables.errors import UserError
from deepfake_pipeline.tables.ids import sha256_of
from deepfake_pipeline.tables.schemas import MANIFEST, REJECTED_FILES
from deepfake_pipeline.tables.splits import Split, deal
from deepfake_pipeline.tables.stream import write_shards
from tests.media.pictures import write_picture

SHARES: dict[Split, float] = {"train": 0.4, "validation": 0.2, "calibration": 0.2, "test": 0.2}
Memberships = dict[str, list[str]]


def dealt(memberships: Memberships, folder: Path) -> tuple[ParquetTable, dict[str, str]]:
    """The manifest of samples that belong to something, and their splits."""
    found = deal(memberships, SHARES)
    rest = {"label": 0, "source": "s", "width": 1, "height": 1, "bytes": 1, "phash": 1, "kind": "image"}
    rows: list[dict[str, Any]] = [
        {**rest, "sample_id": name, "path": name, "sha256": name, "memberships": tags}
        | {"group": found.groups[name], "split": found.splits[name]}
        for name, tags in sorted(memberships.items())
        if name not in found.crossing
    ]
    folder.mkdir(parents=True)
    write_shards(RecordStream.of_rows(MANIFEST, rows), folder)
    return ParquetTable(folder), dict(found.splits)


tags = st.lists(st.sampled_from([f"id{n}" for n in range(12)]), min_size=1, max_size=2, unique=True)
samples = st.lists(tags, min_size=1, max_size=10)  # 20 in all: no group swallows so few


@given(old=samples, added=samples)
def test_nothing_else_moves(tmp_path_factory, old: list[list[str]], added: list[list[str]]) -> None:
    folder = tmp_path_factory.mktemp("moves")
    first = {f"a{n}": own for n, own in enumerate(old)}
    both = first | {f"b{n}": own for n, own in enumerate(added)}
    earlier, before = dealt(first, folder / "before")
    manifest, now = dealt(both, folder / "now")
    found = moves_since(earlier, manifest)
    named = [row for move in found.named for row in move.rows]
    assert sorted(named) == [name for name in sorted(first) if before[name] != now[name]]
    assert (found.rows, found.gone, found.moved) == (len(first), 0, len(named))
    assert all(move.because == "joined" and move.before != move.now for move in found.named)
    tied = {tag for own in added if len(own) > 1 for tag in own}
    reached = tied | {tag for own in old if tied & set(own) for tag in own}
    for _ in old:  # what hangs together with what hangs together
        reached |= {tag for own in old if reached & set(own) for tag in own}
    assert all(reached & set(first[name]) for name in named)


@given(old=samples)
def test_the_same_data_moves_nothing(tmp_path_factory, old: list[list[str]]) -> None:
    folder = tmp_path_factory.mktemp("moves")
    first = {f"a{n}": own for n, own in enumerate(old)}
    earlier, _ = dealt(first, folder / "before")
    assert moves_since(earlier, earlier).moved == 0
    assert moves_since(earlier, earlier).earlier == sha256_of(folder / "before")


def test_a_group_that_is_divided_now_is_no_join(tmp_path: Path) -> None:
    ring = {f"a{n:02d}": [f"id{n:02d}", f"id{n + 1:02d}"] for n in range(24)}
    others = {f"b{n:03d}": [f"x{n}"] for n in range(200)}
    earlier, _ = dealt(ring | others, tmp_path / "before")
    manifest, _ = dealt(ring, tmp_path / "now")
    found = moves_since(earlier, manifest)
    assert found.gone > 200 and found.moved and {move.because for move in found.named} == {"other"}


def ingested(root: Path, folder: Path, **params: Any) -> dict[str, Any]:
    known = IndexParams(split_shares=SHARES, **params)
    result = index_source(MediaSource(root, []), DatasetStudy(name="m", layout="manifest"), known)
    for stream, name in zip(result, ("manifest", "rejected", "near"), strict=True):
        (folder / name).mkdir(parents=True)
        write_shards(stream, folder / name)
    three = [ParquetTable(folder / name) for name in ("manifest", "rejected", "near")]
    return certify_files(three[0], three[1], three[2], LAYOUTS["manifest"], known)


def test_the_certificate_names_the_rows(tmp_path: Path) -> None:
    root, lines = tmp_path / "set", ["file,label,group"]
    for number in range(30):
        write_picture(root / f"{number}.png", number)
        lines.append(f"{number}.png,{('real', 'fake')[number % 2]},g{number:02d}")
    (root / "metadata.csv").write_text("\n".join(lines))
    first = ingested(root, tmp_path / "first")
    assert first["moves"] is None and "earlier" not in in_words(first)
    write_picture(root / "new.png", 100)
    table = ParquetTable(tmp_path / "first" / "manifest").read().set_index("path")
    other = next(f"g{n:02d}" for n in range(1, 30) if table.split[f"{n}.png"] != table.split["0.png"])
    text = "\n".join(f"{line.split(',')[0]},,{','.join(line.split(',')[1:])}" for line in lines[1:])
    (root / "metadata.csv").write_text(f"file,original,label,group\n{text}\nnew.png,g00,fake,{other}\n")
    second = ingested(root, tmp_path / "second", earlier_manifest=str(tmp_path / "first" / "manifest"))
    (move,) = second["moves"]["named"]
    moved = table.sample_id[f"{int(other[1:])}.png"]
    assert second["moves"]["rows"] == 30 and second["moves"]["moved"] == 1
    assert move["rows"] == [moved] and move["joins"] == ["g00", other] and move["group"] == "g00"
    assert (move["before"], move["now"]) == (table.split[f"{int(other[1:])}.png"], table.split["0.png"])
    assert second["holds"] and "Of 30 rows of the earlier manifest 1 lie in another split now" in in_words(second)


def test_what_is_no_manifest(tmp_path: Path) -> None:
    assert open_earlier("") is None
    with pytest.raises(UserError, match="holds no Parquet file"):
        open_earlier(str(tmp_path / "nowhere"))
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="is damaged"):
        open_earlier(str(tmp_path))
    (tmp_path / "a.parquet").unlink()
    write_shards(RecordStream.of_rows(REJECTED_FILES, []), tmp_path)
    with pytest.raises(UserError, match="no column sample_id, group, split, memberships"):
        open_earlier(str(tmp_path))
