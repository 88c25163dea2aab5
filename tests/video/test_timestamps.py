from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmot.video.timestamps import FrameTimestamps

Position = tuple[int, float] | None


def make(**options: bool) -> FrameTimestamps:
    return FrameTimestamps(tick=0.001, spacing=0.04, **options)


def add(timestamps: FrameTimestamps, packets: list[int | None], frames: list[int | None]) -> list[Position]:
    """Register packets, then their frames, which get the packets' timestamps as the decoder returns them."""
    shifted = {pts: timestamps.add_packet(pts) for pts in packets}
    return [timestamps.add_frame(shifted.get(pts, pts)) for pts in frames]


def milliseconds(found: list[Position]) -> list[tuple[int, int] | None]:
    return [position and (position[0], round(position[1] * 1000)) for position in found]


def test_reordered_packets_give_ascending_numbers_and_times() -> None:
    found = add(make(), [0, 80, 40, 160, 120], [0, 40, 80, 120, 160])
    assert milliseconds(found) == [(1, 0), (2, 40), (3, 80), (4, 120), (5, 160)]


def test_lost_packets_leave_gaps_in_the_numbers() -> None:
    timestamps = make()
    found = add(timestamps, [500, 540, 580, 620, 660], [540, 660])
    assert milliseconds(found) == [(2, 40), (5, 160)]
    assert timestamps.num_lost == 3


def test_packets_before_the_first_frame_of_a_stream_are_not_lost() -> None:
    timestamps = make(is_joined=True)
    assert milliseconds(add(timestamps, [0, 40, 80, 120], [80, 120])) == [(1, 0), (2, 40)]
    assert timestamps.num_lost == 0


def test_packets_without_frames_at_the_end_are_lost() -> None:
    timestamps = make()
    add(timestamps, [0, 40, 80], [0])
    assert timestamps.num_lost == 0
    timestamps.finish()
    assert timestamps.num_lost == 2


def test_frames_without_timestamps_are_counted() -> None:
    timestamps = make()
    assert milliseconds(add(timestamps, [None, None], [None, None])) == [(1, 0), (2, 40)]
    timestamps.add_failure(None)
    assert milliseconds([timestamps.add_frame(None)]) == [(4, 120)]
    assert timestamps.num_lost == 1


def test_timestamps_after_frames_without_any_continue_the_times() -> None:
    assert milliseconds(add(make(), [None, 7000, 7100], [None, 7000, 7100])) == [(1, 0), (2, 40), (3, 140)]


def test_equal_timestamps_are_spaced_by_the_frame_rate() -> None:
    assert milliseconds(add(make(), [0, 0, 0], [0, 0, 0])) == [(1, 0), (2, 40), (3, 80)]


def test_restarted_clock_continues_numbers_and_times() -> None:
    timestamps = make()
    add(timestamps, [9000, 9040], [9000, 9040])
    assert milliseconds(add(timestamps, [0, 40, 80], [0, 40, 80])) == [(3, 80), (4, 120), (5, 160)]
    assert timestamps.num_lost == 0


def test_late_frame_is_left_out() -> None:
    timestamps = make()
    assert milliseconds(add(timestamps, [0, 40, 80, 120], [0, 80, 40, 120])) == [(1, 0), (3, 80), None, (4, 120)]
    assert (timestamps.num_frames, timestamps.num_lost) == (3, 1)


def test_timestamps_in_constant_disorder_are_ignored() -> None:
    stamps = [n for k in range(0, 4000, 160) for n in (k + 80, k, k + 120, k + 40)]
    found = [position for position in add(make(), stamps, stamps) if position]
    assert len(found) > 90
    assert [b[0] - a[0] for a, b in pairwise(found[20:])] == [1] * (len(found) - 21)


any_pts = st.one_of(st.none(), st.integers(-(10**6), 10**6))


@given(st.lists(any_pts, max_size=30), st.lists(any_pts, max_size=30), st.booleans(), st.booleans())
def test_numbers_and_times_always_increase(
    packets: list[int | None], frames: list[int | None], count_only: bool, is_joined: bool
) -> None:
    timestamps = make(count_only=count_only, is_joined=is_joined)
    half = len(packets) // 2
    found = add(timestamps, packets[:half], frames[: half + 1]) + add(timestamps, packets[half:], frames[half + 1 :])
    timestamps.finish()
    kept = [position for position in found if position]
    assert len(kept) == timestamps.num_frames
    assert all(b[0] > a[0] and b[1] > a[1] for a, b in pairwise(kept))
    assert all(index >= 1 and time >= 0 for index, time in kept)
    assert timestamps.num_lost <= len(packets)


@given(st.lists(st.integers(1, 90), min_size=1, max_size=40), st.data())
def test_decoded_and_lost_frames_add_up_to_the_packets(steps: list[int], data: st.DataObject) -> None:
    stamps = [sum(steps[: n + 1]) for n in range(len(steps))]
    decoded = [stamp for stamp in stamps if data.draw(st.booleans())]
    timestamps = make()
    found = add(timestamps, stamps, list(decoded))
    timestamps.finish()
    assert timestamps.num_frames + timestamps.num_lost == len(stamps)
    assert [position and position[0] for position in found] == [stamps.index(stamp) + 1 for stamp in decoded]
    assert [position and position[1] for position in found[1:]] == pytest.approx(
        [(stamp - decoded[0]) / 1000 + (found[0] or (0, 0.0))[1] for stamp in decoded[1:]], abs=1e-6
    )


def test_discarded_packets_do_not_restart_the_clock() -> None:
    timestamps = make()
    add(timestamps, [2000, 2040], [2000, 2040])
    assert timestamps.add_packet(200, is_discarded=True) == 200  # decoded from an earlier key frame, for an edit list
    assert timestamps.add_packet(2080) == 2080


def test_restarted_clock_keeps_frames_before_the_first_key_frame() -> None:
    timestamps = make()
    add(timestamps, [2000, 2040], [2000, 2040])
    packets = [(580, 500), (500, 500), (540, 540)]  # (pts, dts): the key frame is shown after two others
    shifted = {pts: timestamps.add_packet(pts, dts) for pts, dts in packets}
    found = [timestamps.add_frame(shifted[pts]) for pts in (500, 540, 580)]
    assert milliseconds(found) == [(3, 80), (4, 120), (5, 160)]
    assert timestamps.num_lost == 0
