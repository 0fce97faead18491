"""Two thousand damaged files: no crash, no hang, and each one in a table, with a reason of the fixed list."""

from __future__ import annotations

import json
import os
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepfake_pipeline.faces.extract import COLUMNS, FaceExtractor
from deepfake_pipeline.faces.params import FaceParams
from deepfake_pipeline.media.archives import ArchiveLimits, unpack
from deepfake_pipeline.media.images import ImageLimits
from deepfake_pipeline.media.index import index_source
from deepfake_pipeline.media.index_params import IndexParams
from deepfake_pipeline.media.layouts import LayoutParams, resolve_layout
from deepfake_pipeline.media.sources import MediaSource
from deepfake_pipeline.media.study import DatasetStudy
from deepfake_pipeline.tables import Reason
from deepfake_pipeline.tables.errors import UserError
from tests.media import clips
from tests.media.damage import DAMAGES, huge_png, spoilt_json
from tests.media.pictures import encoded, smooth
from tests.media.test_archives import KINDS, make
from tests.media.videos import tiny_video

IMAGES, VIDEOS, ARCHIVES, TABLES, DOCUMENTS = 700, 400, 400, 250, 250
REASONS = {reason.value for reason in Reason}
Rows = list[dict[str, Any]]

pytestmark = pytest.mark.timeout(300)


def test_two_thousand():
    assert IMAGES + VIDEOS + ARCHIVES + TABLES + DOCUMENTS == 2000


def ingested(root: Path, layout: str, **params: Any) -> tuple[Rows, Rows]:
    """Rows of the manifest and of the refused files; both tables hold what their schemas say."""
    study = DatasetStudy(name="fuzz", layout=layout)
    result = index_source(MediaSource(root, []), study, IndexParams(**params))
    manifest, rejected = ([row for batch in stream for row in batch.to_pylist()] for stream in result[:2])
    assert {row["reason"] for row in rejected} <= REASONS
    odd = [row for row in rejected if not (row["path"] and row["detail"]) or "\n" in row["path"] + row["detail"]]
    assert not odd
    assert all((root / row["path"]).is_file() for row in manifest)
    return manifest, rejected


def decoded(root: Path, manifest: Rows) -> None:
    """Every sample gives pictures, or is refused with a reason."""
    study = DatasetStudy(name="fuzz", height=16, width=16, crop="none")
    extract = FaceExtractor(root, study, FaceParams(), ImageLimits())
    found = extract([{name: row[name] for name in COLUMNS} for row in manifest])
    rejected = found.rejected.to_pylist()
    assert {row["reason"] for row in rejected} <= REASONS
    given = {*found.faces["sample_id"].to_pylist(), *(row["sample_id"] for row in rejected)}
    assert given == {row["sample_id"] for row in manifest}


PICTURES = (
    ("JPEG", {}, ".jpg"),
    ("JPEG", {"progressive": True}, ".jpeg"),
    ("PNG", {}, ".png"),
    ("WEBP", {}, ".webp"),
    ("WEBP", {"lossless": True}, ".webp"),
    ("BMP", {}, ".bmp"),
    ("TIFF", {}, ".tif"),
    ("TIFF", {"compression": "tiff_lzw"}, ".tiff"),
    ("GIF", {}, ".gif"),
    ("JPEG2000", {}, ".jp2"),
    ("AVIF", {}, ".avif"),
)
CLIPS = (("mpeg4", ".mp4"), ("mpeg4", ".avi"), ("mpeg4", ".mkv"), ("libvpx", ".webm"), ("mpeg4", ".mov"))


def media(kind: str, folder: Path) -> list[tuple[bytes, str]]:
    """Sound files with the suffixes that they should have."""
    if kind == "images":
        return [(encoded(smooth(n), name, **how), suffix) for n, (name, how, suffix) in enumerate(PICTURES)]
    frames = [clips.counted(number) for number in range(4)]
    paths = [
        clips.write_video(folder / f"{n}{suffix}", frames, codec=codec, sound=suffix == ".mp4")
        for n, (codec, suffix) in enumerate(CLIPS)
    ]
    return [(path.read_bytes(), path.suffix) for path in paths]


@pytest.mark.parametrize(("kind", "count"), [("images", IMAGES), ("videos", VIDEOS)])
def test_media(tmp_path: Path, kind: str, count: int) -> None:
    rng, whole, paths = random.Random(kind), media(kind, tmp_path), set()
    for number in range(count):
        data, suffix = rng.choice(whole)
        damage = rng.choice((*DAMAGES, huge_png) if kind == "images" else DAMAGES)
        own = rng.choice((suffix, suffix, suffix, ".png", ".mp4", ".gif", ".txt", ""))
        path = f"{rng.choice(('Real', 'Fake'))}/{number}{own}"
        paths.add(path)
        (tmp_path / "set" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / path).write_bytes(damage(rng, data))
    manifest, rejected = ingested(tmp_path / "set", "folders")
    assert sorted([*(row["path"] for row in manifest), *(row["path"] for row in rejected)]) == sorted(paths)
    assert len(rejected) > count / 2
    decoded(tmp_path / "set", manifest)


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    real = tmp_path / "set" / "Real"
    (real / "folder.png").mkdir(parents=True)
    (real / "sound.png").write_bytes(encoded(smooth(0), "PNG"))
    (real / "gone.png").symlink_to(tmp_path / "nowhere")
    (real / "round.png").symlink_to(real / "round.png")
    (real / "device.png").symlink_to("/dev/zero")
    os.mkfifo(real / "pipe.png")
    os.mkfifo(real / "pipe.mp4")
    (real / "gone.mp4").symlink_to(tmp_path / "nowhere")
    manifest, rejected = ingested(tmp_path / "set", "folders")
    assert [row["path"] for row in manifest] == ["Real/sound.png"]
    assert {row["path"].removeprefix("Real/"): row["reason"] for row in rejected} == {
        "gone.png": "missing",
        "gone.mp4": "missing",
        "round.png": "unreadable",
        "device.png": "unsupported_type",
        "pipe.png": "unsupported_type",
        "pipe.mp4": "unsupported_type",
    }


MEMBERS = {
    f"{side}/{n}.png": encoded(smooth(n + 9 * (side == "Fake")), "PNG") for side in ("Real", "Fake") for n in range(5)
}


def hostile(rng: random.Random, path: Path) -> Path:
    """An archive that is whole and means harm."""
    escape = rng.choice(
        ("../x.png", "a/../../x.png", "/tmp/x.png", "..\\x.png", "C:\\x.png", "a/" * 300 + "../" * 400 + "x")
    )
    kind = rng.choice(("escape", "link", "bomb", "many", "nested", "twice"))
    if kind == "link" and path.suffix != ".zip":
        make(path.with_suffix(".tar"), MEMBERS).rename(path)
        with tarfile.open(path, "a") as tar:
            link = tarfile.TarInfo("Real/link.png")
            link.type, link.linkname = rng.choice((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE)), "/etc/passwd"
            tar.addfile(link)
        return path
    if kind == "link":
        make(path, MEMBERS)
        with zipfile.ZipFile(path, "a") as archive:
            info = zipfile.ZipInfo("Real/link.png")
            info.external_attr = 0o120777 << 16
            archive.writestr(info, "/etc/passwd")
        return path
    extra = {
        "escape": {escape: b"x"},
        "link": {},
        "bomb": {"Real/bomb.png": bytes(8 << 20)},
        "many": {f"Real/{'d/' * (number % 7)}{number}.png": b"x" for number in range(300)},
        "nested": {"Real/inner.zip": make(path.with_name("inner.zip"), MEMBERS).read_bytes()},
        "twice": {"real/0.PNG": b"x", "REAL/0.png": b"y"},
    }[kind]
    return make(path, MEMBERS | extra)


def blank(data: bytes) -> int:
    """Zeros at the end. A plain tar file carries no sums: zeros over its last members, no more than a tar file may end
    with, make another tar file that is whole."""
    return len(data) - len(data.rstrip(b"\0"))


def test_archives(tmp_path: Path) -> None:
    rng = random.Random("archives")
    whole = {kind: make(tmp_path / f"whole.{kind}", MEMBERS).read_bytes() for kind in KINDS}
    for number in range(ARCHIVES):
        kind, into = rng.choice(KINDS), tmp_path / str(number) / "into"
        into.mkdir(parents=True)
        path = tmp_path / f"{number}.{rng.choice((kind, kind, 'zip', 'tar'))}"
        if number % 5 == 0:
            hostile(rng, path)
        else:
            path.write_bytes(rng.choice(DAMAGES)(rng, whole[kind]))
        try:
            rejected = unpack(path, into, ArchiveLimits())
        except UserError as error:
            assert "\n" not in str(error)
            rejected = [{"path": path.name, "reason": Reason.UNREADABLE.value, "detail": str(error)}]
        assert {row["reason"] for row in rejected} <= REASONS
        assert os.listdir(into.parent) == ["into"]
        files = [file for file in into.rglob("*") if not file.is_dir()]
        assert not any(file.is_symlink() for file in files)
        lost = any(row["path"] == path.name for row in rejected)
        hidden = kind == "tar" and blank(whole[kind]) < blank(path.read_bytes()) <= 1024 + 10_240 - 512
        assert lost or hidden or len(files) + len(rejected) >= len(MEMBERS), path
    assert not (tmp_path / "x.png").exists() and not Path("/tmp/x.png").exists()


TABLE = [
    {"file": f"{number}.png", "label": ("REAL", "FAKE")[number % 2], "original": f"{number // 2 * 2}.png",
     "split": "train", "method": ("", "FaceSwap")[number % 2], "group": f"g{number // 2}"}
    for number in range(6)
]  # fmt: skip


def table_bytes(rng: random.Random, suffix: str, rows: list[Any], folder: Path) -> bytes:
    if suffix == ".jsonl":
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    records = [row for row in rows if isinstance(row, dict)]
    cells = [{name: _plain(row.get(name)) for name in TABLE[0]} for row in records]
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(cells), folder / "made.parquet")
        return (folder / "made.parquet").read_bytes()
    mark = rng.choice(",;\t")
    lines = [mark.join(TABLE[0]), *(mark.join(row.values()) for row in cells)]
    return "\n".join(lines).encode(errors="surrogatepass")


def _plain(value: object) -> str:
    return str("" if value is None else value).encode(errors="replace").decode()


def test_tables(tmp_path: Path) -> None:
    rng = random.Random("tables")
    root = tmp_path / "set"
    root.mkdir()
    for number in range(len(TABLE)):
        (root / f"{number}.png").write_bytes(encoded(smooth(number), "PNG"))
    (root / "outside.png").symlink_to(tmp_path / "made.parquet")
    stopped = 0
    for _ in range(TABLES):
        suffix = rng.choice((".csv", ".tsv", ".parquet", ".jsonl"))
        rows = spoilt_json(rng, TABLE) if rng.random() < 0.5 else TABLE
        data = table_bytes(rng, suffix, rows if isinstance(rows, list) and rows else TABLE, tmp_path)
        table = root / f"metadata{suffix}"
        table.write_bytes(rng.choice(DAMAGES)(rng, data) if rng.random() < 0.6 else data)
        try:
            manifest, rejected = ingested(root, "manifest", split_policy=rng.choice(("hash", "official")))
            if suffix in (".csv", ".tsv"):
                with table.open(encoding="utf-8-sig", errors="replace") as file:
                    assert len(manifest) + len(rejected) == len(file.readlines()) - 1
        except UserError as error:
            stopped += 1
            assert "\n" not in str(error)
        table.unlink()
    assert stopped < TABLES / 2


def _celeb_list(rng: random.Random, content: Any) -> bytes:
    lines = content if isinstance(content, list) else [content]
    return ("\n".join(map(str, lines)) + "\n").encode(errors="surrogatepass")


def _json(rng: random.Random, content: Any) -> bytes:
    deep = b"[" * 100_000
    return deep if rng.random() < 0.02 else json.dumps(content).encode()


def _sources() -> dict[str, tuple[str, list[str], Any, Callable[[random.Random, Any], bytes]]]:
    """A small source of each layout with a document: its name, its media, what it says, how it is written."""
    box = [4.0, 5.0, 20.0, 20.0]
    coco = {
        "categories": [{"id": 0, "name": "Real"}, {"id": 1, "name": "Fake"}],
        "images": [{"id": n, "file_name": f"Images/Train/{n}.jpg", "width": 40, "height": 48} for n in range(6)],
        "annotations": [
            {"id": n, "image_id": n, "category_id": n % 2, "bbox": box, "segmentation": [[4, 5, 24, 5, 24, 25]],
             "iscrowd": 0, "area": 400} for n in range(6)
        ],
    }  # fmt: skip
    names = [f"{letter * 10}.mp4" for letter in "abcdef"]
    dfdc = {
        name: {"label": ("REAL", "FAKE")[n % 2], "split": "train", "original": names[n // 2 * 2]}
        for n, name in enumerate(names)
    }
    youtube = [f"original_sequences/youtube/c23/videos/{n:03d}.mp4" for n in range(4)]
    swapped = [
        "manipulated_sequences/FaceSwap/c23/videos/000_001.mp4",
        "manipulated_sequences/FaceSwap/c23/videos/001_000.mp4",
    ]
    celeb = [
        *(f"Celeb-real/id{n}_0000.mp4" for n in range(4)),
        "Celeb-synthesis/id0_id1_0000.mp4",
        "YouTube-real/00001.mp4",
    ]
    listed = ["1 Celeb-real/id0_0000.mp4", "0 Celeb-synthesis/id0_id1_0000.mp4", "1 YouTube-real/00001.mp4"]
    return {
        "openforensics": ("Train_poly.json", [f"Train/{n}.jpg" for n in range(6)], coco, _json),
        "dfdc": ("metadata.json", names, dfdc, _json),
        "faceforensics": ("train.json", [*youtube, *swapped], [["000", "001"], ["002", "003"]], _json),
        "celeb_df": ("List_of_testing_videos.txt", celeb, listed, _celeb_list),
    }


@pytest.mark.parametrize("layout", sorted(_sources()))
def test_documents(tmp_path: Path, layout: str) -> None:
    document, paths, content, write = _sources()[layout]
    rng = random.Random(layout)
    for number, path in enumerate(paths):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        data = tiny_video(number) if path.endswith(".mp4") else encoded(smooth(number), "JPEG")
        (tmp_path / path).write_bytes(data)
    shares = {"openforensics": 63, "dfdc": 63, "faceforensics": 62, "celeb_df": 62}
    assert sum(shares.values()) == DOCUMENTS
    for _ in range(shares[layout]):
        data = write(rng, spoilt_json(rng, content) if rng.random() < 0.6 else content)
        (tmp_path / document).write_bytes(rng.choice(DAMAGES)(rng, data) if rng.random() < 0.6 else data)
        manifest, rejected = ingested(tmp_path, layout)
        named = {row["path"] for row in manifest} | {row["path"] for row in rejected}
        assert set(paths) <= named
        try:
            resolve_layout("auto", tmp_path, LayoutParams())
        except UserError as error:
            assert "\n" not in str(error)
