"""In what two files differ, by their kind: bytes, arrays, networks, documents, pictures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake_pipeline.media.images import ImageLimits, decode_image
from deepfake_pipeline.reporting.gaps import Damaged, Detail, Gap, gap, reading

VERSION = r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z"  # as Kedro names the versions of a dataset
_BLOCK = 2**20  # values, or bytes of a file, that are compared at once
_PICTURE_LIMITS = ImageLimits(min_side=1)


def same_bytes(a: Path, b: Path) -> bool:
    """Whether two files hold the same bytes."""
    if a.stat().st_size != b.stat().st_size:
        return False
    return all(first == second for first, second in _blocks(a, b))


def compare_bytes(a: Path, b: Path, tolerance: float) -> list[Detail]:
    """Sizes of two files and where they begin to differ; no tolerance applies."""
    sizes = [path.stat().st_size for path in (a, b)]
    place = 0
    for first, second in _blocks(a, b):
        if first != second:
            place += next((i for i, (x, y) in enumerate(zip(first, second, strict=False)) if x != y), len(first))
            break
        place += len(first)
    place = min(place, *sizes)
    return [Detail("", note=f"{sizes[0]:,} against {sizes[1]:,} bytes, the first that differs is number {place:,}")]


def _blocks(a: Path, b: Path) -> Iterator[tuple[bytes, bytes]]:
    with a.open("rb") as first, b.open("rb") as second:
        while (pair := (first.read(_BLOCK), second.read(_BLOCK))) != (b"", b""):
            yield pair


def compare_arrays(a: Path, b: Path, tolerance: float) -> list[Detail]:
    """Two ``.npy`` files, memory-mapped and compared slice by slice along the first axis."""
    arrays = [_mapped(path) for path in (a, b)]
    return _sliced("", arrays[0].shape, arrays[1].shape, [str(x.dtype) for x in arrays], arrays, tolerance)


def _mapped(path: Path) -> NDArray[Any]:
    with reading(path):
        return np.load(path, mmap_mode="r", allow_pickle=False)


def compare_networks(a: Path, b: Path, tolerance: float) -> list[Detail]:
    """Two safetensors files: headers as documents, then tensors one at a time, by name."""
    with _opened(a) as first, _opened(b) as second:
        details = _compare_headers(first.metadata() or {}, second.metadata() or {}, tolerance)
        names = [set(file.keys()) for file in (first, second)]
        details += [_one_sided(name, name in names[0]) for name in sorted(names[0] ^ names[1])]
        for name in sorted(names[0] & names[1]):
            slices = [file.get_slice(name) for file in (first, second)]
            shapes = [tuple(part.get_shape()) for part in slices]
            if not all(shapes):
                slices = [_Scalar(file.get_tensor(name)) for file in (first, second)]
            kinds = [part.get_dtype() for part in slices] if all(shapes) else ["", ""]
            details += _sliced(name, shapes[0], shapes[1], kinds, slices, tolerance)
    return details


class _Scalar:
    """A tensor without axes, which safetensors cannot slice."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __getitem__(self, key: Any) -> Any:
        return self.value


def _opened(path: Path) -> Any:
    from safetensors import safe_open

    with reading(path):
        return safe_open(path, framework="pt")


def _compare_headers(a: dict[str, str], b: dict[str, str], tolerance: float) -> list[Detail]:
    first, second = ({key: _parsed(text) for key, text in side.items()} for side in (a, b))
    return compare_values("header", first, second, tolerance)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _sliced(
    where: str,
    shape_a: Sequence[int],
    shape_b: Sequence[int],
    kinds: Sequence[str],
    arrays: Sequence[Any],
    tolerance: float,
) -> list[Detail]:
    """Compare two things that can be sliced along their first axis."""
    if tuple(shape_a) != tuple(shape_b):
        return [Detail(where, note=f"shape {_shape(shape_a)} against {_shape(shape_b)}")]
    if kinds[0] != kinds[1]:
        return [Detail(where, note=f"type {kinds[0]} against {kinds[1]}")]
    rows = shape_a[0] if shape_a else 1
    step = max(1, _BLOCK * rows // max(1, int(np.prod(shape_a))))
    total = Gap()
    for at in range(0, rows, step):
        key: Any = slice(at, at + step) if shape_a else ()
        total += gap(_numpy(arrays[0][key]), _numpy(arrays[1][key]), tolerance)
    return [Detail(where, total)] if total.differing else []


def _numpy(values: Any) -> NDArray[Any]:
    """A slice of an array or of a tensor; bfloat16, which NumPy lacks, as float32."""
    if hasattr(values, "numpy"):
        values = (values.float() if values.is_floating_point() and values.element_size() < 4 else values).numpy()
    return np.atleast_1d(np.asarray(values))


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "scalar"


def compare_documents(a: Path, b: Path, tolerance: float) -> list[Detail]:
    """Two JSON files: numbers by path, the largest difference first, then what differs otherwise."""
    documents = []
    for path in (a, b):
        with reading(path):
            documents.append(json.loads(path.read_text(encoding="utf-8")))
    try:
        return compare_values("", documents[0], documents[1], tolerance)
    except RecursionError as error:
        raise Damaged(f"{a} cannot be compared: nested too deep") from error


def compare_values(where: str, a: Any, b: Any, tolerance: float) -> list[Detail]:
    """Two JSON values: numbers by path, the largest difference first, then what differs otherwise."""
    details = list(_differing(where, a, b, tolerance))
    return sorted(details, key=lambda detail: (detail.note is not None, -detail.gap.absolute, -detail.gap.beyond))


def _differing(where: str, a: Any, b: Any, tolerance: float) -> Iterator[Detail]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*a, *(key for key in b if key not in a)]:
            path = f"{where}.{key}" if where else str(key)
            if key in a and key in b:
                yield from _differing(path, a[key], b[key], tolerance)
            else:
                yield _one_sided(path, key in a)
    elif isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            yield Detail(where, note=f"{len(a):,} against {len(b):,} values")
        for number, (first, second) in enumerate(zip(a, b, strict=False)):
            yield from _differing(f"{where}[{number}]", first, second, tolerance)
    elif _is_number(a) and _is_number(b):
        found = gap(np.array([a]), np.array([b]), tolerance) if a != b else Gap()
        if found.differing:
            yield Detail(where, found)
    elif type(a) is not type(b) or _without_version(a) != _without_version(b):
        yield Detail(where, note=f"{_short(a)} against {_short(b)}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _without_version(value: Any) -> Any:
    """A text in which versions are not told apart: two runs never have the same ones."""
    return re.sub(VERSION, "VERSION", value) if isinstance(value, str) else value


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:39] + "…"


def _one_sided(where: str, in_first: bool) -> Detail:
    return Detail(where, note=f"only in {'A' if in_first else 'B'}")


def compare_pictures(a: Path, b: Path, tolerance: float) -> list[Detail]:
    """Two pictures, decoded to 8-bit RGB; differences are in levels of 0–255, the tolerance is a share of 255."""
    pixels = []
    for path in (a, b):
        with reading(path):
            pixels.append(decode_image(path.read_bytes(), _PICTURE_LIMITS))
    first, second = pixels
    if first.shape != second.shape:
        sizes = [f"{picture.shape[1]}×{picture.shape[0]}" for picture in pixels]
        return [Detail("", note=f"{sizes[0]} against {sizes[1]} px")]
    levels = np.where(first > second, first - second, second - first)
    if not levels.any():
        return []
    largest, differing = int(levels.max()), int(np.count_nonzero(levels))
    beyond = int(np.count_nonzero(levels > tolerance * 255))
    return [Detail(f"levels, mean {levels.mean():.2g}", Gap(differing, beyond, float(largest), largest / 255))]
