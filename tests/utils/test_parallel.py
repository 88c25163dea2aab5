import os

import cv2
import numpy as np
import pytest

from fairmot.utils.errors import InputError
from fairmot.utils.parallel import available_cores, parallel_map


def process_of(item):
    return item, os.getpid()


def blurred(value):
    image = np.full((400, 400, 3), value, dtype=np.uint8)
    return int(cv2.GaussianBlur(image, (31, 31), 5).mean())


def refuse(item):
    raise InputError(f"item {item}")


def die(item):
    os._exit(9)


@pytest.mark.parametrize(("processes", "items", "is_local"), [(2, 9, False), (1, 9, True), (2, 1, True), (2, 0, True)])
def test_results_are_ordered_and_small_work_stays_local(processes, items, is_local):
    results = list(parallel_map(process_of, range(items), processes=processes))
    assert [item for item, _ in results] == list(range(items))
    assert all((process == os.getpid()) == is_local for _, process in results)


def test_opencv_works_in_forked_processes():
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        blurred(1)
        assert list(parallel_map(blurred, range(4), processes=2)) == [0, 1, 2, 3]
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)


def test_errors_and_killed_processes_raise_input_error():
    with pytest.raises(InputError, match="item 0"):
        list(parallel_map(refuse, range(4), processes=2))
    with pytest.raises(InputError, match="was killed; is there enough memory"):
        list(parallel_map(die, range(4), processes=2))


def test_available_cores_is_at_most_the_cpu_count():
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
