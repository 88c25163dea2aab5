"""Rendezvous of ranks in a store that outlives restarts.

torchrun keeps one store over its restarts (PyTorch 2.5 and later); restarted ranks would find the addresses of exited
ones in it (pytorch/pytorch issue 135712). Restart counts differ between nodes and cannot serve as a prefix.
"""

import time
from datetime import timedelta
from uuid import uuid4

from torch.distributed import PrefixStore, Store  # type: ignore[attr-defined]

from fairmot.utils.errors import InputError

POLL_INTERVAL = 0.05  # seconds


def rendezvous(store: Store, *, rank: int, world_size: int, timeout: timedelta) -> PrefixStore:
    """Return a part of `store` that only the current `world_size` ranks use; each of them calls this.

    Every rank publishes a random identifier. Rank 0 replies to each identifier with its own and waits for the
    acknowledgement, so that keys of exited ranks are never taken for answers.

    Raises InputError if a rank does not join within `timeout`.
    """
    own, deadline = uuid4().hex, _Deadline(timeout)
    shared = PrefixStore("fairmot", store)
    if rank == 0:
        _accept(shared, own, set(range(1, world_size)), deadline)
        return PrefixStore(own, shared)
    shared.set(f"joined/{rank}", own)
    while not shared.check([f"reply/{own}"]):
        deadline.wait("rank 0")
    leader = shared.get(f"reply/{own}").decode()
    shared.set(f"acknowledged/{leader}/{rank}", "")
    return PrefixStore(leader, shared)


def _accept(shared: Store, own: str, missing: set[int], deadline: "_Deadline") -> None:
    """Reply to the ranks in `missing` until each has acknowledged."""
    replied: dict[int, str] = {}
    while missing:
        for rank in sorted(missing):
            if shared.check([f"acknowledged/{own}/{rank}"]):
                missing.discard(rank)
            elif shared.check([f"joined/{rank}"]):
                identifier = shared.get(f"joined/{rank}").decode()
                if replied.get(rank) != identifier:
                    shared.set(f"reply/{identifier}", own)
                    replied[rank] = identifier
        deadline.wait(f"rank {', '.join(map(str, sorted(missing)))}")


class _Deadline:
    def __init__(self, timeout: timedelta) -> None:
        self._seconds = timeout.total_seconds()
        self._end = time.monotonic() + self._seconds

    def wait(self, missing: str) -> None:
        """Sleep for the poll interval; InputError after the deadline."""
        if time.monotonic() > self._end:
            advice = "check that it is running and reachable"
            raise InputError(f"{missing} did not join within {self._seconds:g} s; {advice}")
        time.sleep(POLL_INTERVAL)
