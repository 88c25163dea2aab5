from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmot.video.timestamps import FrameTimestamps


def make(**options: bool) -> FrameTimestamps:
    return FrameTimestamps(tick=0.001, spacing=0.04, **options)


def places(
    clock: FrameTimestamps, packets: list[int | None], pictures: list[int | None]
) -> list[tuple[int, float] | None]:
    for timestamp in packets:
        clock.expect(timestamp)
    return [clock.place(timestamp) for timestamp in pictures]


def rounded(found: list[tuple[int, float] | None]) -> list[tuple[int, int] | None]:
    return [place and (place[0], round(place[1] * 1000)) for place in found]


def test_pictures_take_the_times_of_their_packets_whatever_order_those_come_in() -> None:
    found = places(make(), [0, 80, 40, 160, 120], [0, 40, 80, 120, 160])
    assert rounded(found) == [(1, 0), (2, 40), (3, 80), (4, 120), (5, 160)]


def test_lost_packets_leave_holes_in_the_numbers() -> None:
    clock = make()
    found = places(clock, [500, 540, 580, 620, 660], [540, 660])
    assert rounded(found) == [(2, 40), (5, 160)]
    assert clock.lost == 3


def test_what_comes_before_the_first_picture_of_a_stream_is_not_missed() -> None:
    clock = make(joins=True)
    assert rounded(places(clock, [0, 40, 80, 120], [80, 120])) == [(1, 0), (2, 40)]
    assert clock.lost == 0


def test_packets_that_are_waited_for_in_vain_are_lost_at_the_end() -> None:
    clock = make()
    places(clock, [0, 40, 80], [0])
    assert clock.lost == 0
    clock.finish()
    assert clock.lost == 2


def test_without_timestamps_it_counts() -> None:
    clock = make()
    assert rounded(places(clock, [None, None], [None, None])) == [(1, 0), (2, 40)]
    clock.fail(None)
    assert rounded([clock.place(None)]) == [(4, 120)]
    assert clock.lost == 1


def test_timestamps_that_come_later_go_on_from_there() -> None:
    assert rounded(places(make(), [None, 7000, 7100], [None, 7000, 7100])) == [(1, 0), (2, 40), (3, 140)]


def test_a_clock_that_stands_still_is_not_believed() -> None:
    assert rounded(places(make(), [0, 0, 0], [0, 0, 0])) == [(1, 0), (2, 40), (3, 80)]


def test_a_clock_that_starts_anew_goes_on() -> None:
    clock = make()
    places(clock, [9000, 9040], [9000, 9040])
    assert rounded(places(clock, [0, 40, 80], [0, 40, 80])) == [(3, 80), (4, 120), (5, 160)]
    assert clock.lost == 0


def test_a_picture_that_comes_after_a_later_one_is_left_out() -> None:
    clock = make()
    assert rounded(places(clock, [0, 40, 80, 120], [0, 80, 40, 120])) == [(1, 0), (3, 80), None, (4, 120)]
    assert (clock.given, clock.lost) == (3, 1)


def test_timestamps_that_are_always_in_disorder_are_given_up() -> None:
    clock = make()
    stamps = [n for k in range(0, 4000, 160) for n in (k + 80, k, k + 120, k + 40)]
    found = [place for place in places(clock, stamps, stamps) if place]
    assert len(found) > 90
    assert [b[0] - a[0] for a, b in pairwise(found[20:])] == [1] * (len(found) - 21)


stamps = st.one_of(st.none(), st.integers(-(10**6), 10**6))


@given(st.lists(stamps, max_size=30), st.lists(stamps, max_size=30), st.booleans(), st.booleans())
def test_numbers_and_times_only_grow(
    packets: list[int | None], pictures: list[int | None], counts: bool, joins: bool
) -> None:
    clock = make(counts=counts, joins=joins)
    half = len(packets) // 2
    found = places(clock, packets[:half], pictures[: half + 1]) + places(clock, packets[half:], pictures[half + 1 :])
    clock.finish()
    given_places = [place for place in found if place]
    assert len(given_places) == clock.given
    assert all(b[0] > a[0] and b[1] > a[1] for a, b in pairwise(given_places))
    assert all(index >= 1 and time >= 0 for index, time in given_places)
    assert clock.lost <= len(packets)


@given(st.lists(st.integers(1, 90), min_size=1, max_size=40), st.data())
def test_given_and_lost_add_up_to_the_packets(steps: list[int], data: st.DataObject) -> None:
    timestamps = [sum(steps[: n + 1]) for n in range(len(steps))]
    shown = [stamp for stamp in timestamps if data.draw(st.booleans())]
    clock = make()
    found = places(clock, timestamps, list(shown))
    clock.finish()
    assert clock.given + clock.lost == len(timestamps)
    assert [place and place[0] for place in found] == [timestamps.index(stamp) + 1 for stamp in shown]
    assert [place and place[1] for place in found[1:]] == pytest.approx(
        [(stamp - shown[0]) / 1000 + (found[0] or (0, 0.0))[1] for stamp in shown[1:]], abs=1e-6
    )
