"""How fast a sequence went, and where the time was spent."""

from fairmot.utils.pipeline import StageClock


def describe_speed(clock: StageClock, frames: int, *, first: str | None = None) -> str:
    """Return one line: frames a second from end to end, and each stage's share of that time at work.

    Stages overlap, so the shares can add up to more than 100 %. first: the stage that frames come to, of which it is
    told how long it waited, for frames and for the stages after it; None leaves that out.
    """
    elapsed = max(clock.elapsed, 1e-9)
    busy = ", ".join(f"{name} {100 * seconds / elapsed:.1f} %" for name, seconds in clock.busy.items())
    line = f"{frames / elapsed:.1f} frames/s end to end ({elapsed:.1f} s); busy: {busy or 'nothing'}"
    if first is None:
        return line
    starved, blocked = (100 * seconds[first] / elapsed for seconds in (clock.starved, clock.blocked))
    return f"{line}; waiting: {first} {starved:.1f} % for frames, {blocked:.1f} % for the stages after it"
