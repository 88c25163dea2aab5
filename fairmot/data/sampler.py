"""Which samples make which batch of an epoch: a pure function of seed and epoch.

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
    """Shuffles `count` samples anew each epoch and cuts them into batches.

    batch_size: over all ranks; each of `world_size` ranks gets an equal share of each batch, so their number changes
        neither the order nor what a batch holds. A last, smaller batch is dropped, unless it is the only one; then the
        shares may differ by one (with `group`, by one group).
    accumulate: equal parts that the trainer cuts each share into.
    group: samples that stand together, of one sequence as far as its samples go. No group is cut by ranks or parts.
    sequence_of: (F,) samples with equal numbers are of one sequence; None: all are of one.

    With `group` n an epoch draws random groups of n within each sequence and shuffles them. What is left over, fewer
    than n samples a sequence, makes groups across sequences; only of these up to n - 1 samples stay out, others in each
    epoch. So the number of batches does not depend on `group`.

    Raises InputError where the shares cannot be cut so, or one would be empty.
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
        parts = self.world_size * self.accumulation_steps
        least = parts * self.images_per_sequence
        shared = (
            f"shared by {self.world_size} processes in SOLVER.ACCUMULATION_STEPS = {self.accumulation_steps} parts each"
        )
        shared += (
            f" of whole DATA.IMAGES_PER_SEQUENCE = {self.images_per_sequence} images"
            if self.images_per_sequence > 1
            else ""
        )
        if self.batch_size % least:
            raise InputError(f"SOLVER.BATCH_SIZE = {self.batch_size} cannot be {shared}: take a multiple of {least}")
        if self.count < least:
            raise InputError(f"DATA.TRAIN: {self.count} images cannot be {shared}")
        if (
            self.count < self.batch_size
            and self.accumulation_steps > 1
            and self.count // self.images_per_sequence % parts
        ):
            fits = f"SOLVER.BATCH_SIZE {self.count - self.count % least}"
            raise InputError(f"DATA.TRAIN: {self.count} images, fewer than a batch, cannot be {shared}: take {fits}")

    @property
    def batches_per_epoch(self) -> int:
        """How many batches an epoch has, at least one."""
        return max(1, self.count // self.batch_size)

    def batches(self, epoch: int, start_batch: int = 0) -> list[list[SampleKey]]:
        """Return this rank's keys, batch by batch, from `start_batch` on (0 = all; the number of batches = none)."""
        if not 0 <= start_batch <= self.batches_per_epoch:
            raise ValueError(f"start_batch {start_batch}: an epoch has {self.batches_per_epoch} batches")
        groups = [[SampleKey(epoch, index) for index in group] for group in self._groups(epoch).tolist()]
        size = self.batch_size // self.images_per_sequence
        firsts = [number * size for number in range(start_batch, self.batches_per_epoch)]
        shares = [groups[first : first + size][self.rank :: self.world_size] for first in firsts]
        return [[key for group in share for key in group] for share in shares]

    def _groups(self, epoch: int) -> IntArray:
        """Return the samples (G, n) of an epoch in their order, a row a group."""
        rng = make_rng(self.seed, epoch)
        order = rng.permutation(self.count)
        if self.images_per_sequence == 1:
            return order[:, None]
        numbers = np.zeros(self.count, dtype=np.int64) if self.sequence_of is None else self.sequence_of
        return np.asarray(rng.permutation(form_groups(order, numbers[order], size=self.images_per_sequence)))


def form_groups(samples: IntArray, sequences: IntArray, *, size: int) -> IntArray:
    """Cut F samples, as they come, into groups (G, size) within sequences; then what is left over, across sequences.

    sequences: (F,) number of the sequence of each of `samples`. The last F % size samples left over make no group.

    >>> form_groups(np.arange(7), np.array([1, 1, 2, 1, 3, 2, 2]), size=2).tolist()
    [[0, 1], [2, 5], [3, 4]]
    """
    by_sequence = np.argsort(sequences, kind="stable")
    _, firsts, counts = np.unique(sequences[by_sequence], return_index=True, return_counts=True)
    place = np.arange(len(samples)) - np.repeat(firsts, counts)
    fits = place < np.repeat(counts - counts % size, counts)
    rest = np.sort(by_sequence[~fits])  # in the order of the samples: which of them stay out is left to chance
    whole = np.concatenate([by_sequence[fits], rest])[: len(samples) - len(samples) % size]
    return np.asarray(samples[whole].reshape(-1, size))
