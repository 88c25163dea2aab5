"""Rendezvous in a store that contains keys of exited ranks."""

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
    """Run the rendezvous in SIZE threads; rank 0 stores `note`. Return what each rank reads."""

    def join(rank):
        store = rendezvous(
            TCPStore("localhost", server.port), rank=rank, world_size=SIZE, timeout=timedelta(seconds=20)
        )
        if rank == 0:
            store.set("note", note)
        return store.get("note").decode()

    with ThreadPoolExecutor(SIZE) as pool:
        return list(pool.map(join, range(SIZE)))


def test_each_rendezvous_has_a_store_of_its_own(server):
    for number in range(4):
        assert gather(server, note=f"round {number}") == [f"round {number}"] * SIZE


def test_rank_that_joined_and_exited_is_replaced(server):
    """Rank 1 joins and is killed; its successor joins while rank 0 already replies."""
    TCPStore("localhost", server.port).set("fairmot/joined/1", "an exited rank")
    assert gather(server, note="again") == ["again"] * SIZE


@pytest.mark.parametrize(("rank", "missing"), [(0, "rank 1, 2 did not join within 0.3 s"), (2, "rank 0 did not join")])
def test_missing_rank_is_named(rank, missing):
    server = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    with pytest.raises(InputError, match=missing):
        rendezvous(server, rank=rank, world_size=SIZE, timeout=timedelta(seconds=0.3))
