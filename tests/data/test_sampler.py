from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmot.data.sampler import EpochSampler, form_groups
from fairmot.utils.errors import InputError


@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 5))
def test_epoch_has_each_sample_at_most_once(count, batch_size, epoch):
    sampler = EpochSampler(count, batch_size, seed=1)
    batches = sampler.batches(epoch)
    shown = [key.sample for batch in batches for key in batch]
    assert len(batches) == sampler.batches_per_epoch == max(1, count // batch_size)
    assert len(shown) == len(set(shown)) == min(count, len(batches) * batch_size)
    assert set(shown) <= set(range(count))
    assert {key.epoch for batch in batches for key in batch} == {epoch}


@given(st.integers(0, 6))
def test_sampler_resume_continues_epoch(start):
    sampler = EpochSampler(25, 4, seed=1)
    assert sampler.batches(3, start) == sampler.batches(3)[start:]


@st.composite
def shared_samplings(draw):
    """Valid arguments: (count, batch_size, world_size, accumulate)."""
    world_size, accumulate = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    parts = world_size * accumulate
    batch_size = parts * draw(st.integers(1, 4))
    count = draw(st.integers(parts, 120))
    if count < batch_size and accumulate > 1:
        count -= count % parts
    return count, batch_size, world_size, accumulate


@given(shared_samplings(), st.integers(0, 9), st.data())
def test_rank_shards_are_batches_of_one_process(sampling, epoch, data):
    count, batch_size, world_size, accumulate = sampling
    full = EpochSampler(count, batch_size, seed=5)
    start = data.draw(st.integers(0, full.batches_per_epoch))
    ranks = [
        EpochSampler(count, batch_size, 5, rank, world_size, accumulate).batches(epoch, start)
        for rank in range(world_size)
    ]
    expected = full.batches(epoch)[start:]
    assert {len(rank) for rank in ranks} == {len(expected)}
    sampled = []
    for batch, *shards in zip(expected, *ranks, strict=True):
        joined = [key for shard in shards for key in shard]
        assert len(joined) == len(set(joined))
        assert sorted(joined) == sorted(batch)
        sizes = [len(shard) for shard in shards]
        assert 1 <= min(sizes) <= max(sizes) <= min(sizes) + (count < batch_size)
        assert accumulate == 1 or not any(size % accumulate for size in sizes)
        sampled += joined
    assert len(sampled) == len(set(sampled))


@given(st.integers(1, 60), st.integers(1, 24), st.integers(1, 6), st.integers(1, 4))
def test_sampler_accepts_divisible_batches_only(count, batch_size, world_size, accumulate):
    refusal = ""
    try:
        ranks = [EpochSampler(count, batch_size, 1, rank, world_size, accumulate) for rank in range(world_size)]
    except InputError as error:
        refusal = str(error)
    if refusal:
        assert refusal.startswith(("SOLVER.BATCH_SIZE = ", "DATA.TRAIN: "))
        assert f"among {world_size} processes with SOLVER.ACCUMULATION_STEPS = {accumulate}" in refusal
        return
    sizes = [len(rank.batches(0)[0]) for rank in ranks]
    assert min(sizes) >= 1
    assert accumulate == 1 or len(set(sizes)) == 1


def test_sampler_epochs_and_seeds_differ():
    orders = [EpochSampler(30, 30, seed).batches(epoch) for seed in (0, 1) for epoch in (0, 1)]
    samples = [tuple(key.sample for key in batches[0]) for batches in orders]
    assert len(set(samples)) == 4


def test_sampler_indivisible_batches_raise():
    shared = r"cannot be divided among 2 processes with SOLVER\.ACCUMULATION_STEPS = {}"
    with pytest.raises(InputError, match=rf"^SOLVER\.BATCH_SIZE = 5 {shared.format(1)}: take a multiple of 2$"):
        EpochSampler(10, 5, world_size=2)
    with pytest.raises(InputError, match=rf"^SOLVER\.BATCH_SIZE = 4 {shared.format(3)}: take a multiple of 6$"):
        EpochSampler(10, 4, world_size=2, accumulation_steps=3)
    with pytest.raises(InputError, match=rf"^DATA\.TRAIN: 1 images {shared.format(1)}$"):
        EpochSampler(1, 4, world_size=2)
    fewer = rf"^DATA\.TRAIN: 11 images, fewer than a batch, {shared.format(2)}: take SOLVER\.BATCH_SIZE 8$"
    with pytest.raises(InputError, match=fewer):
        EpochSampler(11, 12, world_size=2, accumulation_steps=2)
    assert [len(shard) for shard in EpochSampler(11, 8, world_size=2, accumulation_steps=2).batches(0)] == [4]
    with pytest.raises(ValueError, match="rank 2 of 2"):
        EpochSampler(10, 4, rank=2, world_size=2)


@pytest.mark.parametrize("start", [-1, 4])
def test_sampler_start_outside_epoch_raises(start):
    with pytest.raises(ValueError, match="an epoch has 3 batches"):
        EpochSampler(6, 2).batches(0, start)


@st.composite
def grouped_samplings(draw):
    """Valid arguments: (sequence_of, batch_size, group, world_size, accumulate)."""
    group, world_size, accumulate = draw(st.integers(2, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
    parts = world_size * accumulate
    batch_size = parts * group * draw(st.integers(1, 3))
    lengths = draw(st.lists(st.integers(1, 15), min_size=1, max_size=12))
    lengths.append(max(0, parts * group - sum(lengths)))
    sequence_of = np.repeat(np.arange(len(lengths)), lengths)
    if len(sequence_of) < batch_size and accumulate > 1:
        sequence_of = sequence_of[: len(sequence_of) - len(sequence_of) % (parts * group)]
    return draw(st.permutations(sequence_of.tolist())), batch_size, group, world_size, accumulate


def grouped(sampling, rank=0, world_size=None, seed=5):
    sequence_of, batch_size, group, processes, accumulate = sampling
    return EpochSampler(
        len(sequence_of),
        batch_size,
        seed,
        rank,
        world_size or processes,
        accumulate,
        images_per_sequence=group,
        sequence_of=np.array(sequence_of),
    )


def cut(keys, size):
    return [tuple(keys[first : first + size]) for first in range(0, len(keys), size)]


@given(grouped_samplings(), st.integers(0, 9))
def test_grouped_epoch_has_each_sample_at_most_once(sampling, epoch):
    sequence_of, batch_size, group, *_ = sampling
    sampler = grouped(sampling, world_size=1)
    batches = sampler.batches(epoch)
    shown = [key.sample for batch in batches for key in batch]
    assert len(batches) == sampler.batches_per_epoch == EpochSampler(len(sequence_of), batch_size).batches_per_epoch
    assert len(shown) == len(set(shown)) == min(len(sequence_of) // group * group, len(batches) * batch_size)
    assert all(len(batch) == min(batch_size, len(shown)) for batch in batches)
    assert batches == grouped(sampling, world_size=1).batches(epoch)


@given(grouped_samplings(), st.integers(0, 9))
def test_groups_across_sequences_use_only_remainders(sampling, epoch):
    """Checked over all groups of the epoch, including those of a dropped batch."""
    sequence_of, _, size, *_ = sampling
    groups = grouped(sampling, world_size=1)._groups(epoch).tolist()
    pure = Counter(sequence_of[group[0]] for group in groups if len({sequence_of[sample] for sample in group}) == 1)
    left = sum(length % size for length in Counter(sequence_of).values())
    assert all(pure[sequence] >= length // size for sequence, length in Counter(sequence_of).items())
    assert len(groups) == sum(length // size for length in Counter(sequence_of).values()) + left // size


@given(grouped_samplings(), st.integers(0, 9), st.data())
def test_rank_shards_and_parts_hold_complete_groups(sampling, epoch, data):
    _, _, group, world_size, accumulate = sampling
    full = grouped(sampling, world_size=1)
    start = data.draw(st.integers(0, full.batches_per_epoch))
    expected = full.batches(epoch)[start:]
    ranks = [grouped(sampling, rank).batches(epoch, start) for rank in range(world_size)]
    for batch, *shards in zip(expected, *ranks, strict=True):
        groups = [one for shard in shards for one in cut(shard, group)]
        assert sorted(groups) == sorted(cut(batch, group))
        sizes = [len(shard) for shard in shards]
        assert min(sizes) >= group * accumulate
        assert max(sizes) <= min(sizes) + group * (len(batch) < full.batch_size)
        assert all(size % (group * accumulate) == 0 for size in sizes) or accumulate == 1
        assert all(size % group == 0 for size in sizes)


def test_left_out_samples_are_in_other_epochs():
    """Three sequences, of 1, 2 and 4 samples; 7 % 3 = 1 of them is left out of each epoch."""
    sampler = EpochSampler(7, 3, seed=2, images_per_sequence=3, sequence_of=np.array([0, 1, 1, 2, 2, 2, 2]))
    shown = [frozenset(key.sample for batch in sampler.batches(epoch) for key in batch) for epoch in range(60)]
    assert {len(samples) for samples in shown} == {6}
    assert frozenset.union(*shown) == frozenset(range(7))
    missing = Counter(next(iter(set(range(7)) - samples)) for samples in shown)
    assert set(missing) == set(range(7))  # so none is always left out


def test_grouped_epochs_differ():
    sampler = EpochSampler(40, 8, seed=1, images_per_sequence=4, sequence_of=np.repeat([0, 1], 20))
    epochs = [{frozenset(group) for group in sampler._groups(epoch).tolist()} for epoch in (0, 1)]
    assert all(len({sample // 20 for sample in group}) == 1 for groups in epochs for group in groups)
    assert not epochs[0] & epochs[1]
    spans = [max(group) - min(group) for groups in epochs for group in groups]
    assert np.mean(spans) > 8  # of random frames 4 of 20: 12.6


def test_group_size_one_ignores_sequences():
    sequence_of = np.array([0, 1] * 10)
    assert EpochSampler(20, 4, 3, images_per_sequence=1, sequence_of=sequence_of).batches(2) == EpochSampler(
        20, 4, 3
    ).batches(2)
    first = [key.sample for key in EpochSampler(20, 4, 3).batches(2)[0]]
    assert first == [19, 2, 9, 16]  # as it was before there were groups


def test_groups_without_sequences_are_random():
    groups = EpochSampler(9, 4, images_per_sequence=2)._groups(0)
    assert groups.shape == (4, 2)
    assert len(np.unique(groups)) == 8


def test_form_groups_keeps_sample_order():
    samples, sequences = np.array([4, 0, 3, 1, 2]), np.array([1, 0, 1, 1, 0])
    assert form_groups(samples, sequences, size=2).tolist() == [[0, 2], [4, 3]]
    assert form_groups(samples, sequences, size=3).tolist() == [[4, 3, 1]]
    assert form_groups(samples, sequences, size=5).tolist() == [[4, 0, 3, 1, 2]]


def test_sampler_indivisible_groups_raise():
    shared = (
        r"cannot be divided among 2 processes with SOLVER\.ACCUMULATION_STEPS = {} and DATA\.IMAGES_PER_SEQUENCE = 3"
    )
    with pytest.raises(InputError, match=rf"^SOLVER\.BATCH_SIZE = 8 {shared.format(1)}: take a multiple of 6$"):
        EpochSampler(30, 8, world_size=2, images_per_sequence=3)
    with pytest.raises(InputError, match=rf"^DATA\.TRAIN: 5 images {shared.format(1)}$"):
        EpochSampler(5, 6, world_size=2, images_per_sequence=3)
    fewer = rf"^DATA\.TRAIN: 22 images, fewer than a batch, {shared.format(2)}: take SOLVER\.BATCH_SIZE 12$"
    with pytest.raises(InputError, match=fewer):
        EpochSampler(22, 24, world_size=2, accumulation_steps=2, images_per_sequence=3)
    assert [
        len(shard)
        for shard in EpochSampler(22, 12, world_size=2, accumulation_steps=2, images_per_sequence=3).batches(0)
    ] == [6]
    with pytest.raises(ValueError, match="sequence_of: expected shape"):
        EpochSampler(5, 2, images_per_sequence=2, sequence_of=np.zeros(4, dtype=np.int64))
