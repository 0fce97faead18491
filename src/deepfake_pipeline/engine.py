"""Map a function over batches on this machine's cores: in order, a few in flight, with a progress bar."""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from logging.handlers import QueueHandler, QueueListener
from multiprocessing.connection import wait
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

logger = logging.getLogger(__name__)
_PACKAGE = logging.getLogger(__package__)

_worker: Callable[[Any], Any] | None = None


def map_batches(
    batches: Iterable[T],
    build: Callable[[], Callable[[T], R]],
    *,
    workers: int = 1,
    description: str = "",
    total: int | None = None,
    setting: str = "compute.workers",
) -> Iterator[R]:
    """Apply a callable to each batch, in worker processes, and yield the results in the order of the batches.

    The results do not depend on ``workers``: a worker sees whole batches and computes on one thread. At most
    two batches a worker are in flight, so that memory stays flat. What workers log is logged here, and a worker
    ends with this process, whatever ends that.

    Args:
        batches: picklable batches, taken lazily.
        build: picklable factory, called once in each worker; what it returns is applied to the batches.
        workers: number of processes; 1 computes in this process.
        description: label of the progress bar (shown on a terminal only).
        total: number of batches, for the bar.
        setting: the parameter that says how many processes there are: what to lower where memory runs out.
    """
    with _bar(description, total) as bar:
        for result in _in_processes(batches, build, workers, setting) if workers > 1 else map(build(), batches):
            bar.update()
            yield result


def _in_processes(
    batches: Iterable[T], build: Callable[[], Callable[[T], R]], workers: int, setting: str
) -> Iterator[R]:
    context = multiprocessing.get_context("spawn")
    records: Any = context.Queue()
    listener = QueueListener(records, _LoggedHere())
    pool = ProcessPoolExecutor(
        workers,
        mp_context=context,
        initializer=_start_worker,
        initargs=(build, records, _PACKAGE.getEffectiveLevel()),
    )
    listener.start()
    pending: deque[Future[R]] = deque()
    try:
        for batch in batches:
            pending.append(pool.submit(_work, batch))
            if len(pending) >= 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool as error:
        raise RuntimeError(f"a worker process died (out of memory?); try fewer: {setting}=1") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        listener.stop()
        records.close()


class _LoggedHere(logging.Handler):
    """Gives a record of another process to the logger of its name in this one."""

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger(record.name).handle(record)


def _start_worker(build: Callable[[], Callable[[Any], Any]], records: Any, level: int) -> None:
    global _worker  # noqa: PLW0603 -- a worker process serves one function for its whole life
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.getLogger().handlers = [QueueHandler(records)]  # and none that the command line has set up
    _PACKAGE.setLevel(level)
    use_threads(1)  # before the libraries are loaded, and again for those that read no environment
    tune_malloc()
    _worker = build()
    use_threads(1)


def _end_with_parent() -> None:
    """End this process when the one that started it is gone: it may work for an hour, and for nobody then."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


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
