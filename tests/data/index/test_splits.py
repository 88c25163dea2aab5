import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmot.data.index.splits import Split, choose_images

MOT17 = (600, 1050, 837, 525, 654, 900, 750)
HALVES = st.sampled_from(["published", "centertrack"])


@pytest.mark.parametrize(("half", "frames"), [("published", 2659), ("centertrack", 2652)])
def test_validation_halves_of_mot17_have_the_known_number_of_frames(half, frames):
    assert sum(len(Split("second_half", half).range_of(length)) for length in MOT17) == frames


@given(length=st.integers(0, 60), half=HALVES, first=st.integers(0, 70), last=st.integers(0, 70))
def test_the_halves_share_no_frame_and_lose_none(length, half, first, last):
    def places(part):
        return list(Split(part, half, first, last).range_of(length))

    assert places("first_half") + places("second_half") == places("whole")


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), max_size=30), HALVES)
def test_every_image_is_in_one_half_and_the_halves_are_runs_of_frames(rows, half):
    sequence_of = np.array([sequence for sequence, _ in rows], dtype=np.int64)
    frames = np.array([frame for _, frame in rows], dtype=np.int64)
    first, second = (choose_images(Split(part, half), sequence_of, frames) for part in ("first_half", "second_half"))
    assert (first ^ second).all()
    for sequence in set(sequence_of.tolist()):
        early, late = (frames[chosen & (sequence_of == sequence)] for chosen in (first, second))
        assert early.max(initial=0) <= late.min(initial=99)


def test_frames_count_before_halving_and_a_limit_after():
    split = Split("second_half", first=3, last=8, limit=2)
    assert list(split.range_of(100)) == [5, 6]
    assert list(Split(first=5).range_of(3)) == []
