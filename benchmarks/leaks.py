"""Near-duplicates: planted copies that are found, alarms among innocent pictures, and the search of 100,000.

    python -m benchmarks.leaks [--faces dfdc-faces.zip] [--innocent 2000] [--planted 200] [--search 100000]

Innocent pictures are faces of as many rendered people, one picture each, so that every pair is a false alarm. With
`--faces` the faces of the archive are compared too: there an alarm is a pair under two originals, and people were
recorded several times, so the pairs have to be looked at. (The other two kinds of leaks, equal bytes and members of a
swap pair, are exact: `tests/media/test_certificate.py` plants all six.) The search is of made-up thumbnails, in a
process of its own; groups are dealt with what it found.
"""

from __future__ import annotations

import argparse
import csv
import io
import multiprocessing
import resource
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from tests.media.pictures import encoded

from deepfake_pipeline.engine import use_threads
from deepfake_pipeline.media.alike import SIDE, THUMBNAIL_BYTES, alike, thumbnail
from deepfake_pipeline.media.images import RGBImage, decode_image, encode_image, resize
from deepfake_pipeline.media.index_params import IndexParams
from deepfake_pipeline.media.render import RenderParams, render_face
from deepfake_pipeline.tables.splits import deal

LEAST = 0.97  # ingestion.near_duplicate_similarity


def _cropped(image: RGBImage, seed: int, share: float) -> RGBImage:
    """A part of that share of both sides, wherever."""
    rng = np.random.default_rng(seed)
    sides = [round(share * side) for side in image.shape[:2]]
    top, left = (rng.integers(0, whole - side + 1) for whole, side in zip(image.shape[:2], sides, strict=True))
    return image[top : top + sides[0], left : left + sides[1]]


def _inner(image: RGBImage) -> RGBImage:
    height, width = image.shape[:2]
    return image[round(0.05 * height) : round(0.95 * height), round(0.05 * width) : round(0.95 * width)]


COPIES: dict[str, Callable[[RGBImage, int], RGBImage]] = {
    "re-encoded": lambda image, seed: decode_image(encoded(image, "JPEG", quality=40 + seed % 50)),
    "resized": lambda image, seed: resize(image, 60 + seed % 200, 60 + seed % 170),
    "mirrored": lambda image, seed: np.ascontiguousarray(image[:, ::-1]),
    "sides shortened by 5 %": lambda image, seed: _cropped(image, seed, 0.95),
    "area less by 5 %": lambda image, seed: _cropped(image, seed, 0.95**0.5),
    "5 % off each edge": lambda image, seed: _inner(image),
    "cropped, mirrored, JPEG": lambda image, seed: decode_image(
        encode_image(np.ascontiguousarray(_cropped(image, seed, 0.95)[:, ::-1]), "jpeg")
    ),
}


def judge(name: str, pictures: Callable[[int], RGBImage], originals: np.ndarray, groups: np.ndarray, each: int) -> None:
    """Print how many planted copies are found, and how many pairs of different groups are alike."""
    chosen = np.random.default_rng(0).choice(len(originals), each, replace=False)
    print(f"{name}: {len(originals):,} pictures of {len(np.unique(groups)):,} groups")
    whole = [pictures(int(place)) for place in chosen]
    for kind, copy in COPIES.items():
        copies = _stacked(thumbnail(copy(picture, seed)) for seed, picture in enumerate(whole))
        both = np.concatenate([originals[chosen], copies])
        pairs = {pair for block in alike(both, LEAST) for pair in zip(block.i.tolist(), block.j.tolist(), strict=True)}
        print(f"  {kind:<24}{sum((one, one + each) in pairs for one in range(each)):>5} of {each} found")
    alarms = sum(len(block.i) for block in alike(originals, LEAST, groups))
    print(f"  pairs of different groups that are alike: {alarms}")


def search(count: int) -> None:
    """Print time and memory of the search of so many thumbnails, of which one in a hundred is a copy, and of groups."""
    use_threads(1)
    rng = np.random.default_rng(0)
    frequencies = np.hypot(*np.mgrid[:16, :16]) + 1
    waves = np.cos(np.outer(np.arange(16), 2 * np.arange(SIDE) + 1) * np.pi / (2 * SIDE))
    thumbnails = np.empty((count, THUMBNAIL_BYTES), np.uint8)
    common = rng.normal(size=(16, 16))
    for at in range(0, count, 1000):
        part = rng.normal(size=(len(thumbnails[at : at + 1000]), 16, 16)) + 0.7 * common
        pictures = waves.T @ (part / frequencies**1.2) @ waves
        thumbnails[at : at + 1000] = np.clip(128 + 25 * pictures, 0, 255).reshape(len(part), -1)
    copies = count // 100
    thumbnails[-copies:] = thumbnails[:copies]
    start, cpu = time.perf_counter(), time.process_time()
    pairs = [
        pair for block in alike(thumbnails, LEAST) for pair in zip(block.i.tolist(), block.j.tolist(), strict=True)
    ]
    memberships = {str(one): [str(one)] for one in range(count)}
    for i, j in pairs:
        memberships[str(j)].append(str(i))
    dealt = deal(memberships, IndexParams().split_shares)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"search of {count:,}: {len(pairs):,} pairs, {len(set(dealt.groups.values())):,} groups, ", end="")
    print(f"{wall:.1f} s ({cpu:.1f} s of CPU), {peak:.0f} MiB at most")


def _stacked(thumbnails: Iterable[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(thumbnails), np.uint8).reshape(-1, THUMBNAIL_BYTES)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=Path, help="archive of faces with metadata.csv (file, label, original)")
    parser.add_argument("--innocent", type=int, default=2000, help="rendered people")
    parser.add_argument("--planted", type=int, default=200, help="copies of each kind")
    parser.add_argument("--search", type=int, default=100_000, help="thumbnails that are searched")
    options = parser.parse_args()
    if options.search:
        process = multiprocessing.get_context("spawn").Process(target=search, args=(options.search,))
        process.start()
        process.join()
    params = RenderParams(size=96, seed=3)
    if options.innocent:
        people = _stacked(thumbnail(render_face(one, 0, params).image) for one in range(options.innocent))
        numbers = np.arange(options.innocent)
        judge("rendered", lambda one: render_face(one, 0, params).image, people, numbers, options.planted)
    if options.faces:
        with zipfile.ZipFile(options.faces) as archive:
            table = list(csv.DictReader(io.TextIOWrapper(archive.open("metadata.csv"))))
            originals = [Path(row["original"] or row["file"]).name for row in table]
            groups = np.unique(originals, return_inverse=True)[1]

            def picture(one: int) -> RGBImage:
                return decode_image(archive.read(table[one]["file"]))

            faces = _stacked(thumbnail(picture(one)) for one in range(len(table)))
            judge(options.faces.name, picture, faces, groups, options.planted)


if __name__ == "__main__":
    main()
