"""Ctrl-C and SIGTERM: the first one lets a run finish the frames under way and its files."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A signal ended the run after its files were made whole; `code` is the exit code of a program ended so."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


class Interruption:
    """Listens for signals that end a run.

    number: the signal that came, None while there is none.
    """

    def __init__(self) -> None:
        self.number: int | None = None

    @contextmanager
    def calls(self, stop: Callable[[], None]) -> Iterator[None]:
        """Within the block, let the first signal call `stop`; further ones do what they did before the block.

        A signal that is ignored, as Ctrl-C in a background job of a shell, stays so. Without effect outside the main
        thread, where Python handles no signals.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {number: signal.getsignal(number) or signal.SIG_DFL for number in SIGNALS}
        before = {number: handler for number, handler in handlers.items() if handler != signal.SIG_IGN}

        def handle(number: int, _: FrameType | None) -> None:
            self.number = number
            _set_handlers(before)
            stop()

        _set_handlers(dict.fromkeys(before, handle))
        try:
            yield
        finally:
            _set_handlers(before)

    def check(self) -> None:
        """Raise Interrupted if a signal came."""
        if self.number is not None:
            raise Interrupted(self.number)


def _set_handlers(handlers: Mapping[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


class Ending:
    """Lets the first signal end the frames of one sequence, from before its files are opened until they are whole.

        with Ending(interruption).heard() as ending, files:
            with ending.stops(pipeline.stop), pipeline:
                ...

    A signal that comes while the files are finished is noted in the interruption, and they are finished.
    """

    def __init__(self, interruption: Interruption) -> None:
        self._interruption = interruption
        self._stop: Callable[[], None] | None = None

    @contextmanager
    def heard(self) -> Iterator[Self]:
        """Within the block, hear the first signal; the next one does what it did before."""
        with self._interruption.calls(self._call):
            yield self

    @contextmanager
    def stops(self, stop: Callable[[], None]) -> Iterator[None]:
        """Within the block, have the signal call `stop`; at once where it has come already."""
        self._stop = stop
        try:
            if self._interruption.number is not None:
                stop()
            yield
        finally:
            self._stop = None

    def _call(self) -> None:
        if self._stop is not None:
            self._stop()
