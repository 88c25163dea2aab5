"""Batch sampler: the sample indices of each batch of an epoch, a pure function of seed and epoch.

Legend: F samples, G groups of an epoch, n samples of a group.
"""

from dataclasses import dataclass, field

import numpy as np

from fairmot.data.joint_dataset import SampleKey
from fairmot.geometry.arrays import IntArray, require_shape
from fairmot.utils.errors import InputError
from fairmot.utils.seed import make_rng


@dataclass(frozen=True)
class EpochSampler:
    """Shuffles `count` samples in each epoch and divides them into batches.

    batch_size: over all ranks; each of `world_size` ranks gets an equal shard of each batch, so their number changes
        neither the order nor the content of batches. A last, smaller batch is dropped, unless it is the only one; then
        shards may differ by one sample (with groups, by one group).
    accumulation_steps: equal parts into which the trainer splits each shard.
    images_per_sequence: group size; groups are of one sequence as far as its samples suffice, and are never split.
    sequence_of: (F,) sequence numbers of the samples; None: all are of one sequence.

    With groups of n, an epoch draws random groups within each sequence and shuffles them. The remaining samples, fewer
    than n per sequence, form groups across sequences; at most n - 1 samples are left out, others in each epoch. So the
    number of batches does not depend on n.

    Raises InputError where batches cannot be divided so, or a shard would be empty.
    """

    count: int
    batch_size: int
    seed: int = 0
    rank: int = 0
    world_size: int = 1
    accumulation_steps: int = 1
    images_per_sequence: int = 1
    sequence_of: IntArray | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world_size:
            raise ValueError(f"rank {self.rank} of {self.world_size}")
        if self.sequence_of is not None:
            require_shape("sequence_of", self.sequence_of, (self.count,))
        count, size, steps, group = self.count, self.batch_size, self.accumulation_steps, self.images_per_sequence
        parts = self.world_size * steps
        least = parts * group
        cause = f"cannot be divided among {self.world_size} processes with SOLVER.ACCUMULATION_STEPS = {steps}"
        cause += f" and DATA.IMAGES_PER_SEQUENCE = {group}" if group > 1 else ""
        if size % least:
            raise InputError(f"SOLVER.BATCH_SIZE = {size} {cause}: take a multiple of {least}")
        if count < least:
            raise InputError(f"DATA.TRAIN: {count} images {cause}")
        if count < size and steps > 1 and count // group % parts:
            fits = f"SOLVER.BATCH_SIZE {count - count % least}"
            raise InputError(f"DATA.TRAIN: {count} images, fewer than a batch, {cause}: take {fits}")

    @property
    def batches_per_epoch(self) -> int:
        """Number of batches of an epoch, at least one."""
        return max(1, self.count // self.batch_size)

    def batches(self, epoch: int, start_batch: int = 0) -> list[list[SampleKey]]:
        """Return this rank's keys, batch by batch, beginning with `start_batch`."""
        if not 0 <= start_batch <= self.batches_per_epoch:
            raise ValueError(f"start_batch {start_batch}: an epoch has {self.batches_per_epoch} batches")
        groups = [[SampleKey(epoch, index) for index in group] for group in self._groups(epoch).tolist()]
        size = self.batch_size // self.images_per_sequence
        firsts = [number * size for number in range(start_batch, self.batches_per_epoch)]
        shards = [groups[first : first + size][self.rank :: self.world_size] for first in firsts]
        return [[key for group in shard for key in group] for shard in shards]

    def _groups(self, epoch: int) -> IntArray:
        """Return the samples (G, n) of an epoch in their order, one row per group."""
        rng = make_rng(self.seed, epoch)
        order = rng.permutation(self.count)
        if self.images_per_sequence == 1:
            return order[:, None]
        numbers = np.zeros(self.count, dtype=np.int64) if self.sequence_of is None else self.sequence_of
        return np.asarray(rng.permutation(form_groups(order, numbers[order], size=self.images_per_sequence)))


def form_groups(samples: IntArray, sequences: IntArray, *, size: int) -> IntArray:
    """Divide F samples, in order, into groups (G, size) within sequences, and the remaining ones across sequences.

    sequences: (F,) sequence number of each of `samples`. The last F % size remaining samples form no group.

    >>> form_groups(np.arange(7), np.array([1, 1, 2, 1, 3, 2, 2]), size=2).tolist()
    [[0, 1], [2, 5], [3, 4]]
    """
    by_sequence = np.argsort(sequences, kind="stable")
    _, firsts, counts = np.unique(sequences[by_sequence], return_index=True, return_counts=True)
    rank = np.arange(len(samples)) - np.repeat(firsts, counts)  # within the sequence
    fits = rank < np.repeat(counts - counts % size, counts)
    rest = np.sort(by_sequence[~fits])  # in the order of the samples, so that those left out are random
    order = np.concatenate([by_sequence[fits], rest])[: len(samples) - len(samples) % size]
    return np.asarray(samples[order].reshape(-1, size))
