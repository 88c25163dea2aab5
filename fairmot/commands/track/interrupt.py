"""Handler of Ctrl-C and SIGTERM that lets the frames in progress and the output files be finished."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """Raised after a signal ended a run and its files were finished; code: exit code of the process."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


class StopSignal:
    """Context manager that records the first Ctrl-C or SIGTERM and calls a function; the next one is not caught.

        with StopSignal() as stop_signal, files:
            with stop_signal.calls(pipeline.stop), pipeline:
                ...

    So a signal during the opening or finishing of files does not interrupt it. A signal that is ignored outside the
    block, as Ctrl-C in a background job of a shell, stays ignored. In other threads than the main one, where Python
    handles no signals, there is no effect.

    number: the received signal, None if there was none.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._stop: Callable[[], None] | None = None
        self._previous: dict[signal.Signals, Any] = {}

    @contextmanager
    def calls(self, stop: Callable[[], None]) -> Iterator[None]:
        """Call `stop` at a signal within the block, or at once if a signal was received before."""
        self._stop = stop
        try:
            if self.number is not None:
                stop()
            yield
        finally:
            self._stop = None

    def raise_if_received(self) -> None:
        """Raise Interrupted if a signal was received."""
        if self.number is not None:
            raise Interrupted(self.number)

    def _handle(self, number: int, _: FrameType | None) -> None:
        self.number = number
        _set_handlers(self._previous)
        if self._stop is not None:
            self._stop()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            handlers = {number: signal.getsignal(number) or signal.SIG_DFL for number in SIGNALS}
            self._previous = {number: handler for number, handler in handlers.items() if handler != signal.SIG_IGN}
            _set_handlers(dict.fromkeys(self._previous, self._handle))
        return self

    def __exit__(self, *_: object) -> None:
        _set_handlers(self._previous)


def _set_handlers(handlers: Mapping[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
