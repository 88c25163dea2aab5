"""Fresh keys in a store that outlives its processes.

torchrun keeps one store over its restarts (PyTorch 2.5 and later), in which processes started anew would find, and
call, the addresses of those that have ended (pytorch/pytorch issue 135712).
"""

import time
from datetime import timedelta
from uuid import uuid4

from torch.distributed import PrefixStore, Store  # type: ignore[attr-defined]

from fairmot.utils.errors import InputError

PAUSE = 0.05  # seconds between looks


def rendezvous(store: Store, *, rank: int, size: int, patience: timedelta) -> PrefixStore:
    """Return a part of `store` that the `size` processes alive now have to themselves; each of them calls this.

    Each says under its rank that it is here, by a name of its own; the first answers to that name and waits for a word
    back, so that what an earlier process left in the store is never taken for an answer.

    Raises InputError where the others do not come within `patience`.
    """
    own, deadline = uuid4().hex, time.monotonic() + patience.total_seconds()
    meeting = PrefixStore("fairmot", store)
    if rank == 0:
        _welcome(meeting, own, set(range(1, size)), deadline)
        return PrefixStore(own, meeting)
    meeting.set(f"here/{rank}", own)
    _wait_for(meeting, f"for/{own}", deadline, missing="process 0")
    first = meeting.get(f"for/{own}").decode()
    meeting.set(f"seen/{first}/{rank}", "")
    return PrefixStore(first, meeting)


def _welcome(meeting: Store, own: str, missing: set[int], deadline: float) -> None:
    answered: dict[int, str] = {}
    while missing:
        for rank in sorted(missing):
            if meeting.check([f"seen/{own}/{rank}"]):
                missing.discard(rank)
            elif meeting.check([f"here/{rank}"]):
                guest = meeting.get(f"here/{rank}").decode()
                if answered.get(rank) != guest:
                    meeting.set(f"for/{guest}", own)
                    answered[rank] = guest
        _pause(deadline, missing=f"process {', '.join(map(str, sorted(missing)))}")


def _wait_for(meeting: Store, key: str, deadline: float, *, missing: str) -> None:
    while not meeting.check([key]):
        _pause(deadline, missing=missing)


def _pause(deadline: float, *, missing: str) -> None:
    if time.monotonic() > deadline:
        raise InputError(f"{missing} did not come: has it ended, or can its machine not be reached?")
    time.sleep(PAUSE)
