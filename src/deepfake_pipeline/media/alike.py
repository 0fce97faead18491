"""Near-duplicates: pictures that are the same but for encoding, size, mirroring or a crop of 5 %, found among all.

Two measures, both correlations of low frequencies. The *search* compares all pictures with all by the 8×8 lowest
coefficients of the cosine transform, those of the perceptual hash (:mod:`media.phash`) unrounded; the *verification*
compares what it finds by the 16×16 lowest coefficients, first at the best of eleven alignments and, where that leaves a
doubt, at the best that a finer search finds: a copy then correlates by 0.97 or more, and so does hardly another frame
of the same recording. Coefficients are weighted by their frequency, as pictures have the less energy the higher it is:
without that any two faces are alike. A picture is described by a thumbnail, so that nothing is decoded twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from deepfake_pipeline.media.images import RGBImage, resize

SIDE = 32
THUMBNAIL_BYTES = SIDE * SIDE
CROP = 0.05  # of each side, the crop that is looked through
CANDIDATE = 0.8  # correlation in the search, without alignment, of pairs that are looked at further
ALIGNED = 0.93  # the same once they are aligned, of pairs that are verified
DOUBTFUL = 0.87  # correlation at the best of eleven alignments, from which on a finer one is looked for
LEAST_CONTRAST = 3.0  # grey levels, root mean square: below it a picture says nothing

_SEARCHED, _VERIFIED = 8, 16  # frequencies in each direction
_NORM = 4000  # of a description: products are integers below 2^24, so float32 sums them exactly, in any order
_PART = 1024  # pictures or pairs that are described together
_TILE = 512  # pictures on a side of what is searched at once: 2^18 similarities stay in a core's cache
_THREADS = 2  # of the search; the result does not depend on them

Thumbnail = bytes  # 32×32 grey values, row by row
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


class Pairs(NamedTuple):
    """Pairs of pictures that are alike.

    Attributes:
        i: int64, place of the one.
        j: int64, place of the other, j > i.
        similarity: float32, correlation at the best alignment that was looked at, at most 1: no finer one was looked
            for once it was enough.
        mirrored: bool, whether the one is alike the mirror image of the other.
    """

    i: NDArray[np.int64]
    j: NDArray[np.int64]
    similarity: Floats
    mirrored: NDArray[np.bool_]


def thumbnail(rgb: RGBImage) -> Thumbnail:
    """The picture in 32×32 grey values, averaged by area: 1,024 bytes, row by row.

    Args:
        rgb: uint8, height × width × 3.
    """
    grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)
    return resize(grey, SIDE, SIDE).tobytes()


def alike(thumbnails: NDArray[np.uint8], least: float, keys: NDArray[np.int64] | None = None) -> Iterator[Pairs]:
    """All pairs of pictures that are near-duplicates, by comparing all with all.

    Pictures without contrast (a black frame) are like none. Time grows with the square of the number, memory with the
    number; three tiles of 2^18 similarities are held at a time by each of two threads.

    Args:
        thumbnails: uint8, n × 1,024, as :func:`thumbnail` makes them.
        least: correlation of near-duplicates at least, above 0 and at most 1.
        keys: integers, n; only pairs with different keys (their splits) are wanted. Without it, all are.

    Yields:
        Pairs, in ascending order of (i, j) within each block; no pair twice.
    """
    places = np.flatnonzero(contrast(thumbnails) >= LEAST_CONTRAST)
    known = thumbnails[places]
    aligned = _Aligned(known)
    for i, j in (pairs.T for pairs in _candidates(known) if len(pairs)):
        wanted = np.ones(len(i), bool) if keys is None else keys[places[i]] != keys[places[j]]
        wanted[wanted] = aligned.hopeful(i[wanted], j[wanted])
        similarity, mirrored = aligned.similarity(i[wanted], j[wanted], least)
        kept = similarity >= least
        if kept.any():
            yield Pairs(places[i[wanted][kept]], places[j[wanted][kept]], similarity[kept], mirrored[kept])


def contrast(thumbnails: NDArray[np.uint8]) -> Floats:
    """Standard deviation of the grey values of each thumbnail, in grey levels."""
    found = np.empty(len(thumbnails), np.float32)
    for part in _parts(len(thumbnails)):
        found[part] = thumbnails[part].std(axis=1, dtype=np.float64)
    return found


def _candidates(thumbnails: NDArray[np.uint8]) -> Iterator[NDArray[np.int64]]:
    """Pairs i < j, ordered within each block of i, that the search finds alike: whole with whole, mirrored or not, and
    the middle of one with the whole of the other."""
    fill = np.zeros((-len(thumbnails) % _TILE, _SEARCHED**2 - 1), np.float32)  # is like nothing
    whole, middle = (
        np.concatenate([_described(thumbnails, window, window, _SEARCHED), fill]) for window in (_WHOLE, _MIDDLE)
    )
    pending: deque[Future[NDArray[np.int64]]] = deque()
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(_THREADS) as pool:
        for top in range(0, len(whole), _TILE):
            pending.append(pool.submit(_near, whole, middle, top))
            if len(pending) >= 2 * _THREADS:
                yield pending.popleft().result()
        yield from (block.result() for block in pending)


def _near(whole: Floats, middle: Floats, top: int) -> NDArray[np.int64]:
    """Pairs (i, j), j > i, ordered, that the search finds alike, of all i of the tiles that begin at ``top``."""
    best, other, spare = (np.empty((_TILE, _TILE), np.float32) for _ in range(3))
    least = np.float32(CANDIDATE * _NORM**2)
    rows, found = slice(top, top + _TILE), [np.zeros((0, 2), np.int64)]
    for left in range(top, len(whole), _TILE):
        columns = slice(left, left + _TILE)
        _either_way(whole[rows], whole[columns], best, spare)
        for a, b in ((middle, whole), (whole, middle)):
            _either_way(a[rows], b[columns], other, spare)
            np.maximum(best, other, out=best)
        near = np.argwhere(best >= least) + np.array([top, left])
        found.append(near[near[:, 0] < near[:, 1]])
    pairs = np.concatenate(found)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


class _Aligned:
    """Descriptions of pictures at all alignments by their lower frequencies, made once: 1,386 bytes a picture."""

    def __init__(self, thumbnails: NDArray[np.uint8]) -> None:
        self._thumbnails = thumbnails
        self._low = np.empty((len(thumbnails), len(_ALIGNMENTS), _SEARCHED**2 - 1), np.int16)
        for number, (down, across) in enumerate(_ALIGNMENTS):
            self._low[:, number] = _described(thumbnails, down, across, _SEARCHED)

    def hopeful(self, i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which pairs correlate by their lower frequencies once they are aligned."""
        found = np.zeros(len(i), bool)
        for part in _parts(len(i)):
            a, b = (self._low[places[part]].astype(np.float32) for places in (i, j))
            found[part] = _best(a, b, _SEARCHED).max(axis=0) >= ALIGNED
        return found

    def similarity(self, i: NDArray[np.int64], j: NDArray[np.int64], enough: float) -> tuple[Floats, NDArray[np.bool_]]:
        """Correlation of pairs by their higher frequencies too, and whether it is that with the mirror image.

        What is less than ``enough``, but not hopeless, is looked at more finely.
        """
        similarity, mirrored = np.zeros(len(i), np.float32), np.zeros(len(i), bool)
        for part in _parts(len(i)):
            a, b = (self._thumbnails[places[part]] for places in (i, j))
            ways = _best(self._high(a), self._high(b), _VERIFIED)
            best, way = ways.max(axis=0), ways.argmax(axis=0)
            doubtful = np.flatnonzero((best >= DOUBTFUL) & (best < enough))
            for some in (doubtful[at : at + _FITTED] for at in range(0, len(doubtful), _FITTED)):
                turned, swapped = np.divmod(way[some], 2)
                swap = swapped.astype(bool)[:, None]
                parts, whole = np.where(swap, b[some], a[some]), np.where(swap, a[some], b[some])
                best[some] = np.maximum(best[some], _fitted(parts, whole, turned.astype(bool)))
            similarity[part], mirrored[part] = best, way >= 2
        return similarity, mirrored

    def _high(self, thumbnails: NDArray[np.uint8]) -> Floats:
        return np.stack([_described(thumbnails, *alignment, _VERIFIED) for alignment in _ALIGNMENTS], axis=1)


def _best(a: Floats, b: Floats, frequencies: int) -> Floats:
    """Best correlation of each pair over the alignments of the one with the whole of the other.

    Args:
        a: pairs × alignments × coefficients; the first alignment is the whole.
        b: likewise.
        frequencies: in each direction.

    Returns:
        4 × pairs: parts of ``a`` with the whole of ``b``, parts of ``b`` with the whole of ``a``, and both mirrored.
    """
    split = int(_even(frequencies).sum())
    straight, turned = [], []
    for parts, whole in ((a, b[:, :1]), (b, a[:, :1])):
        products = parts * whole
        even, odd = products[..., :split].sum(axis=2), products[..., split:].sum(axis=2)
        straight.append((even + odd).max(axis=1))
        turned.append((even - odd).max(axis=1))
    return np.minimum(np.stack([*straight, *turned]) / np.float32(_NORM**2), 1)


def _fitted(parts: NDArray[np.uint8], whole: NDArray[np.uint8], mirrored: NDArray[np.bool_]) -> Floats:
    """Correlation of the best part of each picture with the whole of another, which is looked for along one axis after
    the other; to four digits, so that it does not hang on the order of sums.

    Args:
        parts: thumbnails, n × 1,024, of which a part of 90 % or more of each side is chosen.
        whole: thumbnails of the others.
        mirrored: whether the mirror image of the other is meant.
    """
    picture = parts.reshape(-1, SIDE, SIDE).astype(np.float64)
    other = whole.reshape(-1, SIDE, SIDE).astype(np.float64)
    other = np.where(mirrored[:, None, None], other[:, :, ::-1], other)
    target = _WHOLE @ other @ _WHOLE.T * _WEIGHTS
    target /= np.maximum(np.linalg.norm(target, axis=(1, 2), keepdims=True), 1e-9)
    starts = [_agreement(_FINE[down] @ picture @ _FINE[across].T, target) for down, across in _STARTS]
    across = np.array(_STARTS)[np.argmax(starts, axis=0), 1]
    transposed = _FINE.transpose(0, 2, 1)
    for _ in range(_ROUNDS):
        sampled = picture @ transposed[across]
        down = _agreement(_FINE @ sampled[:, None], target[:, None]).argmax(axis=1)
        sampled = _FINE[down] @ picture
        found = _agreement(sampled[:, None] @ transposed, target[:, None])
        across = found.argmax(axis=1)
    return np.round(np.minimum(found.max(axis=1), 1), 4).astype(np.float32)


def _agreement(coefficients: Doubles, target: Doubles) -> Doubles:
    """Correlation of … × 16 × 16 coefficients with weighted ones of norm 1."""
    weighted = coefficients * _WEIGHTS
    norms = np.linalg.norm(weighted, axis=(-2, -1))
    return np.asarray((weighted * target).sum(axis=(-2, -1)) / np.maximum(norms, 1e-9))


def _parts(count: int) -> Iterator[slice]:
    return (slice(start, start + _PART) for start in range(0, count, _PART))


def _either_way(a: Floats, b: Floats, products: Floats, spare: Floats) -> None:
    """Correlations of all with all, mirrored where that is more, times the square of the norm, into ``products``."""
    split = int(_even(_SEARCHED).sum())
    np.matmul(a[:, :split], b[:, :split].T, out=products)
    np.matmul(a[:, split:], b[:, split:].T, out=spare)
    np.abs(spare, out=spare)
    np.add(products, spare, out=products)


def _even(frequencies: int) -> NDArray[np.bool_]:
    """Which of the described coefficients are even across, in their order: these first."""
    across = np.tile(np.arange(frequencies) % 2 == 0, frequencies)[1:]
    return np.sort(across)[::-1]


def _described(thumbnails: NDArray[np.uint8], down: Doubles, across: Doubles, frequencies: int) -> Floats:
    """Weighted coefficients of a window of each thumbnail, those that are even across first; integers, of norm 4,000.

    The mean is left out, so brightness and contrast do not matter.
    """
    order = np.argsort(np.tile(np.arange(frequencies) % 2, frequencies)[1:], kind="stable")
    places = np.arange(frequencies)
    weights = np.hypot(places[:, None], places[None, :]).ravel()[1:]
    described = np.empty((len(thumbnails), len(order)), np.float32)
    for part in _parts(len(thumbnails)):
        rows = thumbnails[part].reshape(-1, SIDE).astype(np.float64) @ across[:frequencies].T
        columns = rows.reshape(-1, SIDE, frequencies).transpose(0, 2, 1).reshape(-1, SIDE) @ down[:frequencies].T
        squares = columns.reshape(-1, frequencies, frequencies).transpose(0, 2, 1)
        coefficients = squares.reshape(len(squares), -1)[:, 1:] * weights
        norms = np.linalg.norm(coefficients, axis=1, keepdims=True)
        described[part] = np.rint(coefficients[:, order] * (_NORM / np.maximum(norms, 1e-9)))
    return described


def _window(start: float, share: float) -> Doubles:
    """What takes a part of an axis of a thumbnail to its lowest 16 frequencies: 16 × 32.

    Args:
        start: where the part begins, 0 to 1.
        share: how long it is, 0 to 1.
    """
    edges = (start + np.linspace(0, share, SIDE + 1)) * SIDE
    pixels = np.arange(SIDE)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    angles = np.outer(np.arange(_VERIFIED), 2 * np.arange(SIDE) + 1) * np.pi / (2 * SIDE)
    return np.asarray(np.cos(angles) @ np.clip(covered, 0, None), np.float64)


_WHOLE = _window(0, 1)
_MIDDLE = _window(0.6 * CROP, 1 - 1.2 * CROP)  # near all crops of 5 %, and those of 5 % at each edge
_CROPS = tuple(_window(start, 1 - CROP) for start in (0, CROP / 2, CROP))
_INNER = _window(CROP, 1 - 2 * CROP)
_ALIGNMENTS = ((_WHOLE, _WHOLE), (_INNER, _INNER), *((down, across) for down in _CROPS for across in _CROPS))
_STEP = CROP / 4
_PLACES = [(start, length) for length in range(9) for start in range(length + 1)]  # in steps: where, and how much less
_FINE = np.stack([_window(start * _STEP, 1 - length * _STEP) for start, length in _PLACES])
_STARTS = [
    (0, 0),
    (_PLACES.index((4, 8)), _PLACES.index((4, 8))),
    *((_PLACES.index((down, 4)), _PLACES.index((across, 4))) for down in (0, 2, 4) for across in (0, 2, 4)),
]
_ROUNDS = 3
_FITTED = 64  # pairs that are fitted together
_WEIGHTS = np.hypot(*np.mgrid[:_VERIFIED, :_VERIFIED])  # none for the mean
