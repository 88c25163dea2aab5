import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmot.data.sampler import EpochSampler
from fairmot.utils.errors import InputError


@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 5))
def test_an_epoch_shows_each_sample_at_most_once_in_full_batches(count, batch_size, epoch):
    sampler = EpochSampler(count, batch_size, seed=1)
    batches = sampler.batches(epoch)
    shown = [key.sample for batch in batches for key in batch]
    assert len(batches) == sampler.batches_per_epoch == max(1, count // batch_size)
    assert len(shown) == len(set(shown)) == min(count, len(batches) * batch_size)
    assert set(shown) <= set(range(count))
    assert {key.epoch for batch in batches for key in batch} == {epoch}


@given(st.integers(0, 6))
def test_a_resume_continues_where_the_epoch_was(start):
    sampler = EpochSampler(25, 4, seed=1)
    assert sampler.batches(3, start) == sampler.batches(3)[start:]


@pytest.mark.parametrize("world_size", [1, 2, 3, 6])
@pytest.mark.parametrize("count", [40, 10])
def test_ranks_share_the_same_batches(world_size, count):
    whole = EpochSampler(count, 12, seed=5).batches(2)
    ranks = [EpochSampler(count, 12, 5, rank, world_size).batches(2) for rank in range(world_size)]
    for number, batch in enumerate(whole):
        shares = [rank[number] for rank in ranks]
        assert sorted(key for share in shares for key in share) == sorted(batch)
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_epochs_and_seeds_differ():
    orders = [EpochSampler(30, 30, seed).batches(epoch) for seed in (0, 1) for epoch in (0, 1)]
    samples = [tuple(key.sample for key in batches[0]) for batches in orders]
    assert len(set(samples)) == 4


def test_wrong_shares_are_refused():
    with pytest.raises(InputError, match=r"SOLVER\.BATCH_SIZE = 5 cannot be shared by 2 processes"):
        EpochSampler(10, 5, world_size=2)
    with pytest.raises(InputError, match="1 images for 2 processes"):
        EpochSampler(1, 4, world_size=2)
    with pytest.raises(ValueError, match="rank 2 of 2"):
        EpochSampler(10, 4, rank=2, world_size=2)


@pytest.mark.parametrize("start", [-1, 4])
def test_a_start_outside_the_epoch_is_refused(start):
    with pytest.raises(ValueError, match="an epoch has 3 batches"):
        EpochSampler(6, 2).batches(0, start)
