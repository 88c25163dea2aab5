"""Processes that share a store with the traces of earlier ones find one another."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from torch.distributed import TCPStore

from fairmot.utils.errors import InputError
from fairmot.utils.rendezvous import rendezvous

SIZE = 3


@pytest.fixture(scope="module")
def server():
    return TCPStore("localhost", 0, is_master=True, wait_for_workers=False)


def gather(server, *, note):
    """Let SIZE threads with clients of their own meet; each leaves `note` and reads the first one's."""

    def take_part(rank):
        store = rendezvous(TCPStore("localhost", server.port), rank=rank, size=SIZE, patience=timedelta(seconds=20))
        if rank == 0:
            store.set("note", note)
        return store.get("note").decode()

    with ThreadPoolExecutor(SIZE) as pool:
        return list(pool.map(take_part, range(SIZE)))


def test_each_meeting_reads_its_own_notes_whatever_earlier_ones_left(server):
    for number in range(4):
        assert gather(server, note=f"meeting {number}") == [f"meeting {number}"] * SIZE


def test_a_place_taken_by_one_that_ended_before_the_first_came_is_taken_again(server):
    """Process 1 says that it is here and is killed; its follower comes while the first one already answers."""
    TCPStore("localhost", server.port).set("fairmot/here/1", "a process that ended")
    assert gather(server, note="again") == ["again"] * SIZE


@pytest.mark.parametrize(("rank", "missing"), [(0, "process 1, 2 did not come"), (2, "process 0 did not come")])
def test_who_is_missing_is_named(rank, missing):
    server = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    with pytest.raises(InputError, match=missing):
        rendezvous(server, rank=rank, size=SIZE, patience=timedelta(seconds=0.3))
