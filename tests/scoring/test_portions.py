from itertools import count
from pathlib import Path

from deepfake_pipeline.scoring.portions import FILES_PER_BATCH, expected_work, portions, worth_workers


def pictures(number):
    return [Path(f"{n}.jpg") for n in range(number)]


def test_every_file_is_in_one_portion_in_order_and_videos_are_alone():
    files = [*pictures(FILES_PER_BATCH + 3), Path("a.mp4"), Path("b.MOV"), Path("notes.txt"), *pictures(2)]
    parts = list(portions(files))
    assert [file for part in parts for file in part] == files
    assert [len(part) for part in parts] == [FILES_PER_BATCH, 3, 1, 1, 3]


def test_files_are_taken_as_they_are_needed():
    taken = []
    endless = (taken.append(n) or Path(f"{n}.png") for n in count())
    parts = portions(endless)
    assert [len(next(parts)) for _ in range(3)] == [FILES_PER_BATCH] * 3
    assert len(taken) <= 3 * FILES_PER_BATCH + 1


def test_nothing_gives_no_portion():
    assert list(portions([])) == []
    assert expected_work([], search=True) == (0, 0.0)


def test_workers_are_started_for_many_files_and_not_for_a_few():
    def worth(files, search=True):
        return worth_workers(expected_work(portions(files), search=search)[1])

    assert not worth(pictures(1)) and not worth([Path("a.mp4")])
    assert not worth(pictures(FILES_PER_BATCH + 1)) and not worth(pictures(500), search=False)
    assert worth(pictures(1000), search=False) and worth(pictures(200)) and worth([Path("a.mp4"), Path("b.mp4")])
    assert expected_work(portions(pictures(100)), search=True)[0] == 4
