import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmot.data.index.splits import Split, choose_images

MOT17 = (600, 1050, 837, 525, 654, 900, 750)
HALVES = st.sampled_from(["published", "centertrack"])


@pytest.mark.parametrize(("half", "frames"), [("published", 2659), ("centertrack", 2652)])
def test_mot17_validation_halves_have_known_lengths(half, frames):
    assert sum(len(Split("second_half", half).range_of(length)) for length in MOT17) == frames


@given(length=st.integers(0, 60), half=HALVES, first=st.integers(0, 70), last=st.integers(0, 70))
def test_first_and_second_half_partition_frames(length, half, first, last):
    def positions(part):
        return list(Split(part, half, first, last).range_of(length))

    assert positions("first_half") + positions("second_half") == positions("whole")


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), max_size=30), HALVES)
def test_halves_partition_frames_contiguously(rows, half):
    sequence_of = np.array([sequence for sequence, _ in rows], dtype=np.int64)
    frames = np.array([frame for _, frame in rows], dtype=np.int64)
    first, second = (choose_images(Split(part, half), sequence_of, frames) for part in ("first_half", "second_half"))
    assert (first ^ second).all()
    for sequence in set(sequence_of.tolist()):
        early, late = (frames[chosen & (sequence_of == sequence)] for chosen in (first, second))
        assert early.max(initial=0) <= late.min(initial=99)


def test_split_frames_before_half_and_limit_after():
    split = Split("second_half", first=3, last=8, limit=2)
    assert list(split.range_of(100)) == [5, 6]
    assert list(Split(first=5).range_of(3)) == []
