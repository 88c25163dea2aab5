"""Rank from the environment and load balancing; collectives are tested in tests/engine and tests/e2e."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fairmot.utils.distributed import Distributed, balance_load, distributed_from_env, is_connection_error
from fairmot.utils.errors import InputError

TORCHRUN = {
    "RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RESTART_COUNT": "1",
    "MASTER_ADDR": "localhost", "MASTER_PORT": "1", "TORCHELASTIC_RUN_ID": "a-run",
}  # fmt: skip


def test_environment_without_torchrun_is_one_process():
    assert distributed_from_env({}) == Distributed()
    assert Distributed().is_main_process


def test_environment_of_torchrun_gives_the_rank():
    world = distributed_from_env(TORCHRUN)
    assert world == Distributed(rank=3, local_rank=1, world_size=4, local_world_size=2, restarts=1, launch=world.launch)
    assert world.launch.startswith("a-run ")
    assert not world.is_main_process


def test_missing_master_address_is_refused():
    without = {name: text for name, text in TORCHRUN.items() if name != "MASTER_ADDR"}
    with pytest.raises(InputError, match="MASTER_ADDR is missing"):
        distributed_from_env(without)


def test_variable_that_is_not_a_number_is_named():
    with pytest.raises(InputError, match="RANK = 'first'"):
        distributed_from_env({**TORCHRUN, "RANK": "first"})


def test_collectives_of_one_process_return_their_input():
    world, values, layer = Distributed(), torch.tensor([1.0, 2.0]), nn.Linear(2, 2)
    assert world.all_reduce(values) is values
    assert world.all_gather_object("a") == ["a"]
    assert world.broadcast_object("b") == "b"
    world.broadcast_module(layer)
    with world.main_process_first():
        pass


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(1, 6))
def test_balance_load_assigns_each_index_once_and_evenly(weights, parts):
    assigned = balance_load(weights, parts)
    assert len(assigned) == parts
    assert sorted(index for indices in assigned for index in indices) == list(range(len(weights)))
    loads = [sum(weights[index] for index in indices) for indices in assigned]
    assert max(loads) - min(loads) <= max(weights, default=0)


def test_connection_error_is_distinguished_from_other_errors():
    assert is_connection_error(RuntimeError("[.../gloo/transport/tcp/pair.cc:545] Read error [127.0.0.1]:3288"))
    assert not is_connection_error(RuntimeError("shape mismatch"))
