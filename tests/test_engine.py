import logging
import multiprocessing
import os
import subprocess
import sys
import time
from functools import partial

import psutil
import pytest

from deepfake_pipeline.engine import map_batches, progress


class Adder:
    def __init__(self, amount):
        self.amount = amount

    def __call__(self, batch):
        return [number + self.amount for number in batch]


class Failing:
    def __call__(self, batch):
        raise ValueError(f"batch {batch} is bad")


class Dying:
    def __call__(self, batch):
        os._exit(1)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers):
    batches = [[number, number + 1] for number in range(0, 40, 2)]
    results = list(map_batches(batches, partial(Adder, 100), workers=workers))
    assert [n for result in results for n in result] == list(range(100, 140))


def test_few_batches_are_taken_ahead():
    taken = []

    def batches():
        for number in range(50):
            taken.append(number)
            yield [number]

    results = map_batches(batches(), partial(Adder, 0), workers=2)
    next(results)
    assert len(taken) <= 5
    results.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_worker_reaches_the_caller(workers):
    with pytest.raises(ValueError, match="is bad"):
        list(map_batches([[1], [2]], Failing, workers=workers))


def test_a_dead_worker_is_reported_and_nothing_hangs():
    with pytest.raises(RuntimeError, match="a worker process died"):
        list(map_batches([[1], [2], [3]], Dying, workers=2))


class Telling:
    def __call__(self, batch):
        logging.getLogger("deepfake_pipeline.somewhere").info("batch %d", batch)
        logging.getLogger("deepfake_pipeline.somewhere").debug("not asked for")
        logging.getLogger("other").warning("of %d", batch)


def test_what_workers_log_is_logged_here(caplog):
    with caplog.at_level(logging.INFO, logger="deepfake_pipeline"):
        list(map_batches([1, 2], Telling, workers=2))
    found = sorted((record.name, record.levelname, record.getMessage()) for record in caplog.records)
    assert found == [
        ("deepfake_pipeline.somewhere", "INFO", "batch 1"),
        ("deepfake_pipeline.somewhere", "INFO", "batch 2"),
        ("other", "WARNING", "of 1"),
        ("other", "WARNING", "of 2"),
    ]


def test_a_line_of_a_worker_is_written_once_where_the_program_writes_by_itself(tmp_path):
    """Spawned processes import the program again, and with it what it sets up."""
    program = tmp_path / "program.py"
    program.write_text(
        "import logging\n"
        "from deepfake_pipeline.engine import map_batches\n"
        "from tests.test_engine import Telling\n"
        "logging.basicConfig(level=logging.INFO)\n"
        "if __name__ == '__main__':\n"
        "    list(map_batches([1], Telling, workers=2))\n"
    )
    here = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, program], env=here, capture_output=True, text=True, check=True)
    assert ran.stderr.splitlines() == ["INFO:deepfake_pipeline.somewhere:batch 1", "WARNING:other:of 1"]


class Staying:
    def __init__(self, folder):
        self.folder = folder

    def __call__(self, batch):
        (self.folder / f"{os.getpid()}.pid").touch()
        time.sleep(60)


def work_on(folder):
    list(map_batches([1, 2], partial(Staying, folder), workers=2))


def test_workers_end_with_the_process_that_started_them(tmp_path):
    parent = multiprocessing.get_context("spawn").Process(target=work_on, args=(tmp_path,))
    parent.start()
    until = time.monotonic() + 30
    while len(pids := [int(path.stem) for path in tmp_path.glob("*.pid")]) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert len(pids) == 2
    parent.kill()
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=20)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_progress_is_quiet_where_there_is_no_terminal(capsys):
    assert list(progress(range(3), "counting")) == [0, 1, 2]
    assert capsys.readouterr().err == ""
