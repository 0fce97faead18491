"""Map a function over batches on this machine's cores: in order, a few in flight, with a progress bar."""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

logger = logging.getLogger(__name__)

_worker: Callable[[Any], Any] | None = None


def map_batches(
    batches: Iterable[T],
    build: Callable[[], Callable[[T], R]],
    *,
    workers: int = 1,
    description: str = "",
    total: int | None = None,
) -> Iterator[R]:
    """Apply a callable to each batch, in worker processes, and yield the results in the order of the batches.

    The results do not depend on ``workers``: a worker sees whole batches and computes on one thread. At most
    two batches a worker are in flight, so that memory stays flat.

    Args:
        batches: picklable batches, taken lazily.
        build: picklable factory, called once in each worker; what it returns is applied to the batches.
        workers: number of processes; 1 computes in this process.
        description: label of the progress bar (shown on a terminal only).
        total: number of batches, for the bar.
    """
    with _bar(description, total) as bar:
        for result in _in_processes(batches, build, workers) if workers > 1 else map(build(), batches):
            bar.update()
            yield result


def _in_processes(batches: Iterable[T], build: Callable[[], Callable[[T], R]], workers: int) -> Iterator[R]:
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(build,),
    )
    pending: deque[Future[R]] = deque()
    try:
        for batch in batches:
            pending.append(pool.submit(_work, batch))
            if len(pending) >= 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool as error:
        raise RuntimeError("a worker process died (out of memory?); try fewer: compute.workers=1") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker(build: Callable[[], Callable[[Any], Any]]) -> None:
    global _worker  # noqa: PLW0603 -- a worker process serves one function for its whole life
    use_threads(1)  # before the libraries are loaded, and again for those that read no environment
    tune_malloc()
    _worker = build()
    use_threads(1)


def _work(batch: Any) -> Any:
    assert _worker is not None
    return _worker(batch)


def _bar(description: str, total: int | None) -> Any:
    from tqdm import tqdm

    return tqdm(desc=description, total=total, disable=None, leave=False, file=sys.stderr)


def progress(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield the items with a progress bar on a terminal, and quietly elsewhere."""
    with _bar(description, total) as bar:
        for item in items:
            yield item
            bar.update()


def use_threads(threads: int) -> None:
    """Set the number of threads of this process for torch and OpenCV, where they are loaded or will be.

    Results depend on it (sums are split differently), so it is a parameter and never the CPU count.
    """
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(threads)


def tune_malloc() -> None:
    """Let glibc keep freed memory: small networks on a CPU then train and infer two to three times faster.

    Does nothing where the C library is another one.
    """
    m_mmap_threshold, m_trim_threshold, m_top_pad = -3, -1, -2
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(m_mmap_threshold, 1 << 30)
    mallopt(m_trim_threshold, 2**31 - 1)
    mallopt(m_top_pad, 256 << 20)
