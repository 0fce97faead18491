import numpy as np

from deepfake_pipeline.scoring.remembered import Remembered


def pictures(*levels):
    return np.stack([np.full((4, 6, 3), level, np.uint8) for level in levels])


def test_each_picture_is_computed_once_and_in_one_call():
    asked = []

    def mean(some):
        asked.append(some[:, 0, 0, 0].tolist())
        return some.mean(axis=(1, 2, 3))

    remembered = Remembered(mean)
    assert remembered(pictures(3, 5, 3)).tolist() == [3, 5, 3]
    assert remembered(pictures(5, 7)).tolist() == [5, 7]
    assert remembered(pictures(7, 3)).tolist() == [7, 3]
    assert asked == [[3, 5], [7]]


def test_what_is_forgotten_is_computed_anew():
    asked = []

    def first(some):
        asked.extend(some[:, 0, 0, 0].tolist())
        return some[:, 0, 0, 0]

    remembered = Remembered(first)
    assert remembered(pictures(1, 2)).tolist() == [1, 2]
    remembered.forget()
    assert remembered(pictures(2, 3)).tolist() == [2, 3]
    assert asked == [1, 2, 2, 3]


def test_pictures_of_another_shape_are_others():
    remembered = Remembered(lambda some: np.full(len(some), some.shape[1]))
    assert remembered(np.zeros((1, 4, 6, 3), np.uint8)).tolist() == [4]
    assert remembered(np.zeros((1, 6, 4, 3), np.uint8)).tolist() == [6]


def test_what_is_given_may_be_changed():
    remembered = Remembered(lambda some: some.copy())
    given = remembered(pictures(9))
    given[:] = 0
    assert remembered(pictures(9)).max() == 9
