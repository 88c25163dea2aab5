import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmot.utils.pipeline import Pipeline, StageClock, Step, describe_speed

BOTH = pytest.mark.parametrize("threads", [True, False])


def run(items, steps, **options):
    with Pipeline(items, steps, clock=StageClock(), **options) as results:
        return list(results)


def doubled(item):
    return 2 * item


@settings(max_examples=25)
@given(items=st.lists(st.integers(), max_size=12), steps=st.integers(1, 4), capacity=st.integers(1, 3))
def test_threads_give_the_results_of_one_thread_in_order(items, steps, capacity):
    chain = [Step(f"step {number}", doubled) for number in range(steps)]
    expected = [item * 2**steps for item in items]
    assert run(items, chain, capacity=capacity) == expected
    assert run(items, chain, threads=False) == expected


def test_steps_of_successive_items_overlap():
    """The second step of an item waits for the first step of the next one, which needs two threads."""
    met = threading.Barrier(2, timeout=20)
    started = []

    def first(item):
        started.append(item)
        if item:
            met.wait()
        return item

    def second(item):
        if item < 5:
            met.wait()
        return item

    assert run(range(6), [Step("first", first), Step("second", second)]) == list(range(6))
    assert started == list(range(6))


@BOTH
@pytest.mark.parametrize("stage", ["source", "first", "last"])
def test_error_is_raised_in_order_and_stops_all_threads(stage, threads):
    def source() -> Iterator[int]:
        yield from (1, 2)
        if stage == "source":
            raise OSError("no third")
        yield from range(3, 1000)

    def step(name):
        def work(item):
            if name == stage and item == 3:
                raise OSError("no third")
            return item

        return Step(name, work)

    before, seen = threading.active_count(), []
    with Pipeline(source(), [step("first"), step("last")], clock=StageClock(), threads=threads) as results:
        with pytest.raises(OSError, match="no third"):
            seen.extend(results)
        assert seen == [1, 2]
    assert threading.active_count() == before


@BOTH
def test_leaving_early_stops_threads_of_endless_source(threads):
    def endless():
        number = 0
        while True:
            number += 1
            yield number

    before = threading.active_count()
    with Pipeline(
        endless(), [Step("double", doubled), Step("again", doubled)], clock=StageClock(), threads=threads
    ) as p:
        for item in p:
            if item >= 40:
                break
    assert threading.active_count() == before


@BOTH
def test_stop_finishes_items_in_progress(threads):
    taken = []

    def endless():
        while True:
            taken.append(len(taken))
            yield taken[-1]

    results = []
    with Pipeline(
        endless(), [Step("same", int), Step("double", doubled)], clock=StageClock(), threads=threads
    ) as pipeline:
        for item in pipeline:
            results.append(item)
            if item == 10:
                pipeline.stop()
    assert results == [2 * number for number in range(len(results))]
    assert len(taken) - 1 <= len(results) <= len(taken)


def test_stop_interrupts_a_blocked_source():
    interrupted = threading.Event()

    def dead():
        yield 1
        assert interrupted.wait(20)
        yield 2

    before, seen = threading.active_count(), []
    with Pipeline(dead(), [Step("same", int)], clock=StageClock(), interrupt=interrupted.set) as pipeline:
        for item in pipeline:
            seen.append(item)
            pipeline.stop()
        assert seen == [1]
    assert threading.active_count() == before


def test_source_is_read_only_when_the_first_step_waits():
    """A frame taken while the first step works would be outdated by then."""
    taken, working = [], threading.Event()

    def source():
        for number in range(3):
            taken.append(number)
            yield number

    def slow(item):
        if item == 1:
            time.sleep(0.05)
            working.taken = list(taken)
        return item

    assert run(source(), [Step("slow", slow)]) == [0, 1, 2]
    assert working.taken == [0, 1]


@BOTH
def test_clock_distinguishes_work_from_waiting(threads):
    def slow_source():
        for number in range(3):
            time.sleep(0.01)
            yield number

    def work(item):
        time.sleep(0.02)
        return item

    clock = StageClock()
    with Pipeline(slow_source(), [Step("work", work), Step("nothing", int)], clock=clock, threads=threads) as results:
        assert len(list(results)) == 3
    assert clock.busy["work"] >= 0.06
    assert clock.busy["nothing"] < clock.busy["work"]
    assert clock.starved["work"] >= 0.01
    assert clock.blocked["work"] < clock.starved["work"] + clock.busy["work"]
    assert clock.elapsed >= 0.07


def test_pipeline_without_steps_is_refused():
    with pytest.raises(ValueError, match="steps"):
        Pipeline([], [], clock=StageClock())


def test_describe_speed_gives_fractions_of_the_elapsed_time(monkeypatch):
    clock = StageClock()
    monkeypatch.setattr(StageClock, "elapsed", 4.0)
    clock.busy.update(network=3.0, track=1.5)
    clock.starved.update(network=0.5)
    clock.blocked.update(network=0.25)
    line = "10.0 frames/s end to end (4.0 s); busy: network 75.0 %, track 37.5 %"
    assert describe_speed(clock, 40) == line
    waiting = "; waiting: network 12.5 % for frames, 6.2 % for the stages after it"
    assert describe_speed(clock, 40, first="network") == line + waiting
