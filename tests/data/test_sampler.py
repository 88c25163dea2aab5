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


@st.composite
def shared_samplings(draw):
    """Arguments that are accepted: (count, batch_size, world_size, accumulate)."""
    world_size, accumulate = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    parts = world_size * accumulate
    batch_size = parts * draw(st.integers(1, 4))
    count = draw(st.integers(parts, 120))
    if count < batch_size and accumulate > 1:
        count -= count % parts
    return count, batch_size, world_size, accumulate


@given(shared_samplings(), st.integers(0, 9), st.data())
def test_the_ranks_shares_are_the_batches_of_one_process(sampling, epoch, data):
    count, batch_size, world_size, accumulate = sampling
    whole = EpochSampler(count, batch_size, seed=5)
    start = data.draw(st.integers(0, whole.batches_per_epoch))
    ranks = [
        EpochSampler(count, batch_size, 5, rank, world_size, accumulate).batches(epoch, start)
        for rank in range(world_size)
    ]
    expected = whole.batches(epoch)[start:]
    assert {len(rank) for rank in ranks} == {len(expected)}
    seen = []
    for batch, *shares in zip(expected, *ranks, strict=True):
        joined = [key for share in shares for key in share]
        assert len(joined) == len(set(joined))
        assert sorted(joined) == sorted(batch)
        sizes = [len(share) for share in shares]
        assert 1 <= min(sizes) <= max(sizes) <= min(sizes) + (count < batch_size)
        assert accumulate == 1 or not any(size % accumulate for size in sizes)
        seen += joined
    assert len(seen) == len(set(seen))


@given(st.integers(1, 60), st.integers(1, 24), st.integers(1, 6), st.integers(1, 4))
def test_a_share_that_is_accepted_can_be_cut_and_what_is_not_says_why(count, batch_size, world_size, accumulate):
    refusal = ""
    try:
        ranks = [EpochSampler(count, batch_size, 1, rank, world_size, accumulate) for rank in range(world_size)]
    except InputError as error:
        refusal = str(error)
    if refusal:
        assert refusal.startswith(("SOLVER.BATCH_SIZE = ", "DATA.TRAIN: "))
        assert f"by {world_size} processes in SOLVER.ACCUMULATE = {accumulate}" in refusal
        return
    sizes = [len(rank.batches(0)[0]) for rank in ranks]
    assert min(sizes) >= 1
    assert accumulate == 1 or len(set(sizes)) == 1


def test_epochs_and_seeds_differ():
    orders = [EpochSampler(30, 30, seed).batches(epoch) for seed in (0, 1) for epoch in (0, 1)]
    samples = [tuple(key.sample for key in batches[0]) for batches in orders]
    assert len(set(samples)) == 4


def test_wrong_shares_are_refused():
    shared = r"cannot be shared by 2 processes in SOLVER\.ACCUMULATE = {} parts each"
    with pytest.raises(InputError, match=rf"^SOLVER\.BATCH_SIZE = 5 {shared.format(1)}: take a multiple of 2$"):
        EpochSampler(10, 5, world_size=2)
    with pytest.raises(InputError, match=rf"^SOLVER\.BATCH_SIZE = 4 {shared.format(3)}: take a multiple of 6$"):
        EpochSampler(10, 4, world_size=2, accumulate=3)
    with pytest.raises(InputError, match=rf"^DATA\.TRAIN: 1 images {shared.format(1)}$"):
        EpochSampler(1, 4, world_size=2)
    fewer = rf"^DATA\.TRAIN: 11 images, fewer than a batch, {shared.format(2)}: take SOLVER\.BATCH_SIZE 8$"
    with pytest.raises(InputError, match=fewer):
        EpochSampler(11, 12, world_size=2, accumulate=2)
    assert [len(share) for share in EpochSampler(11, 8, world_size=2, accumulate=2).batches(0)] == [4]
    with pytest.raises(ValueError, match="rank 2 of 2"):
        EpochSampler(10, 4, rank=2, world_size=2)


@pytest.mark.parametrize("start", [-1, 4])
def test_a_start_outside_the_epoch_is_refused(start):
    with pytest.raises(ValueError, match="an epoch has 3 batches"):
        EpochSampler(6, 2).batches(0, start)
