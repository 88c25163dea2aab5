import os
import signal
import threading

import pytest

from fairmot.commands.track.interrupt import Interrupted, Interruption


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_for_the_end_and_the_next_is_as_before(number):
    seen, asked = [], []
    before = signal.signal(number, lambda *_: seen.append(number))
    try:
        interruption = Interruption()
        interruption.check()
        with interruption.calls(lambda: asked.append(1)):
            send(number)
            assert (asked, seen) == ([1], [])
            send(number)
            assert (asked, seen) == ([1], [number])
        send(number)
        assert (asked, seen) == ([1], [number] * 2)
        with pytest.raises(Interrupted) as raised:
            interruption.check()
        assert raised.value.code == 128 + number
        assert isinstance(raised.value, KeyboardInterrupt)
    finally:
        signal.signal(number, before)


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        interruption = Interruption()
        with interruption.calls(lambda: None):
            send(signal.SIGINT)
        interruption.check()
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_leaves_signals_alone():
    before, inside = signal.getsignal(signal.SIGTERM), []

    def work():
        with Interruption().calls(lambda: None):
            inside.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [before]
