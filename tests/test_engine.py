import os
from functools import partial

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


def test_progress_is_quiet_where_there_is_no_terminal(capsys):
    assert list(progress(range(3), "counting")) == [0, 1, 2]
    assert capsys.readouterr().err == ""
