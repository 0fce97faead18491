"""Files that are damaged in known ways, the same ones for a seed."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from tests.media.pictures import png_of_size

Damage = Callable[[random.Random, bytes], bytes]

_HEADERS = (
    b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"RIFF\xff\xff\xff\x7fWEBPVP8 ",
    b"GIF89a\xff\xff\xff\xff",
    b"BM\xff\xff\xff\x7f\0\0\0\0",
    b"II*\0\x08\0\0\0",
    b"MM\0+\0\x08\0\0",
    b"\0\0\0\x20ftypisom",
    b"\0\0\0\x1cftypavif",
    b"\x1a\x45\xdf\xa3\x01\0\0\0",
    b"RIFF\x10\0\0\0AVI LIST",
    b"OggS\0\2",
    b"FLV\1\5\0\0\0\x09",
    b"PK\x03\x04\x14\0",
    b"\x1f\x8b\x08\0",
    b"PAR1",
)


def truncated(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def beheaded(rng: random.Random, data: bytes) -> bytes:
    return data[rng.randrange(min(64, len(data))) :]


def flipped(rng: random.Random, data: bytes) -> bytes:
    """1 to 64 bits the other way, often in the header."""
    spoilt = bytearray(data)
    reach = rng.choice((32, 256, len(data)))
    for _ in range(rng.choice((1, 4, 64))):
        spoilt[rng.randrange(min(reach, len(data)))] ^= 1 << rng.randrange(8)
    return bytes(spoilt)


def holed(rng: random.Random, data: bytes) -> bytes:
    """A run of equal bytes somewhere, as a bad sector leaves."""
    start = rng.randrange(len(data))
    hole = bytes([rng.choice((0, 255))]) * rng.randrange(1, max(2, len(data) // 4))
    return data[:start] + hole + data[start + len(hole) :]


def swapped_header(rng: random.Random, data: bytes) -> bytes:
    header = rng.choice(_HEADERS)
    return header + data[len(header) :]


def shuffled(rng: random.Random, data: bytes) -> bytes:
    """Blocks in another order."""
    size = max(1, len(data) // rng.randrange(2, 9))
    blocks = [data[at : at + size] for at in range(0, len(data), size)]
    rng.shuffle(blocks)
    return b"".join(blocks)


def claiming(rng: random.Random, data: bytes) -> bytes:
    """Large numbers where sizes, counts and dimensions may stand."""
    spoilt = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        number = rng.choice((0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0x0000FFFF, 0x10000000, 0))
        packed = struct.pack(rng.choice("<>") + "I", number)
        at = rng.randrange(4, max(5, min(rng.choice((64, 512, len(data))), len(data) - 4)))
        spoilt[at : at + 4] = packed
    return bytes(spoilt)


def noise(rng: random.Random, data: bytes) -> bytes:
    return rng.choice((b"", *_HEADERS)) + rng.randbytes(rng.randrange(1, 2000))


def emptied(rng: random.Random, data: bytes) -> bytes:
    return b""


def zeroed(rng: random.Random, data: bytes) -> bytes:
    return bytes(len(data))


def grown(rng: random.Random, data: bytes) -> bytes:
    """Whole, with something behind it."""
    return data + rng.randbytes(rng.randrange(1, 500))


def huge_png(rng: random.Random, data: bytes) -> bytes:
    """A picture that claims more pixels than any machine has memory for."""
    return png_of_size(rng.choice((10_001, 1 << 20, 0x7FFFFFFF)), rng.choice((10_001, 0x7FFFFFFF)), rng.randbytes(20))


DAMAGES: tuple[Damage, ...] = (
    truncated, beheaded, flipped, flipped, holed, swapped_header, shuffled, claiming, claiming, noise, emptied, zeroed,
    grown,
)  # fmt: skip

NASTY = (
    None, True, -1, 0, 1e308, float("nan"), 10**400, "", " ", "..", "../../etc/passwd", "/etc/passwd", "C:\\x.png",
    "a\0b", "a\nb", "\ud800", "\udcff.png", "x" * 5000, "\u202egnp.exe", "CON", [], {}, [[]], [[[[1]]]], {"": ""},
    [None], "REAL", "1",
)  # fmt: skip


def spoilt_json(rng: random.Random, value: object) -> object:
    """A document in which a few values or names of it are others, or gone."""
    copy = json.loads(json.dumps(value))
    for _ in range(rng.randrange(1, 4)):
        copy = _spoilt(rng, copy)
    return copy


def _spoilt(rng: random.Random, value: Any) -> Any:
    if isinstance(value, dict | list) and value and rng.random() < 0.85:
        key = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
        if isinstance(value, dict) and rng.random() < 0.15:
            value[str(rng.choice(NASTY))] = value.pop(key)
        elif rng.random() < 0.1:
            del value[key]
        else:
            value[key] = _spoilt(rng, value[key])
        return value
    return deepcopy(rng.choice(NASTY))
