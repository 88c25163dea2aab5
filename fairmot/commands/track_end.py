"""Where a signal is heard while a sequence is tracked: it ends the taking of frames, never the finishing of files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from fairmot.commands.interrupt import Interruption


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
