import os
import signal
import threading

import pytest

from fairmot.commands.track.interrupt import Interrupted, StopSignal


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def number(request):
    return request.param


@pytest.fixture
def received(number):
    """Return the signals that reach the handler installed before."""
    signals = []
    before = signal.signal(number, lambda received, _: signals.append(received))
    yield signals
    signal.signal(number, before)


def send(number):
    os.kill(os.getpid(), number)


def test_first_signal_calls_stop_and_the_next_is_not_caught(number, received):
    stops = []
    with StopSignal() as stop_signal, stop_signal.calls(lambda: stops.append(1)):
        stop_signal.raise_if_received()
        send(number)
        assert (stops, received) == ([1], [])
        send(number)
        assert (stops, received) == ([1], [number])
    send(number)
    assert (stops, received) == ([1], [number] * 2)
    with pytest.raises(KeyboardInterrupt) as raised:
        stop_signal.raise_if_received()
    assert isinstance(raised.value, Interrupted)
    assert raised.value.code == 128 + number


def test_signal_before_the_block_calls_stop_at_its_start(number, received):
    stops = []
    with StopSignal() as stop_signal:
        send(number)
        assert stop_signal.number == number
        with stop_signal.calls(lambda: stops.append(1)):
            assert stops == [1]
    assert received == []


def test_signal_after_the_block_is_recorded(number, received):
    stops = []
    with StopSignal() as stop_signal:
        with stop_signal.calls(lambda: stops.append(1)):
            pass
        send(number)
    assert (stop_signal.number, stops, received) == (number, [], [])


def test_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with StopSignal() as stop_signal:
            send(signal.SIGINT)
        stop_signal.raise_if_received()
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_do_not_handle_signals():
    before, inside = signal.getsignal(signal.SIGTERM), []

    def work():
        with StopSignal():
            inside.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [before]
