import os
import signal

import pytest

from fairmot.commands.track.interrupt import Ending, Interruption


@pytest.fixture
def seen():
    """The signals that came to whoever listened before."""
    signals = []
    before = signal.signal(signal.SIGTERM, lambda number, _: signals.append(number))
    yield signals
    signal.signal(signal.SIGTERM, before)


def send():
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_ends_the_frames_and_the_next_is_as_before(seen):
    interruption, asked = Interruption(), []
    with Ending(interruption).heard() as ending, ending.stops(lambda: asked.append(1)):
        assert asked == []
        send()
        assert (asked, seen) == ([1], [])
        send()
    assert (asked, seen) == ([1], [signal.SIGTERM])


def test_a_signal_while_files_are_opened_ends_the_frames_before_the_first(seen):
    interruption, asked = Interruption(), []
    with Ending(interruption).heard() as ending:
        send()
        assert interruption.number == signal.SIGTERM
        with ending.stops(lambda: asked.append(1)):
            assert asked == [1]
    assert seen == []


def test_a_signal_while_files_are_finished_is_noted(seen):
    interruption, asked = Interruption(), []
    with Ending(interruption).heard() as ending:
        with ending.stops(lambda: asked.append(1)):
            pass
        send()
    assert (interruption.number, asked, seen) == (signal.SIGTERM, [], [])
