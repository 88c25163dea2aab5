"""Which samples make which batch of an epoch: a pure function of seed and epoch."""

from dataclasses import dataclass

from fairmot.data.joint_dataset import SampleKey
from fairmot.utils.errors import InputError
from fairmot.utils.seed import make_rng


@dataclass(frozen=True)
class EpochSampler:
    """Shuffles `count` samples anew each epoch and cuts them into batches.

    batch_size: over all ranks; each of `world_size` ranks gets an equal share of each batch, so their number changes
        neither the order nor what a batch holds. A last, smaller batch is dropped, unless it is the only one; then the
        shares may differ by one.
    accumulate: equal parts that the trainer cuts each share into.

    Raises InputError where the shares cannot be cut so, or one would be empty.
    """

    count: int
    batch_size: int
    seed: int = 0
    rank: int = 0
    world_size: int = 1
    accumulate: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world_size:
            raise ValueError(f"rank {self.rank} of {self.world_size}")
        parts = self.world_size * self.accumulate
        shared = f"shared by {self.world_size} processes in SOLVER.ACCUMULATE = {self.accumulate} parts each"
        if self.batch_size % parts:
            raise InputError(f"SOLVER.BATCH_SIZE = {self.batch_size} cannot be {shared}: take a multiple of {parts}")
        if self.count < parts:
            raise InputError(f"DATA.TRAIN: {self.count} images cannot be {shared}")
        if self.count < self.batch_size and self.accumulate > 1 and self.count % parts:
            fits = f"SOLVER.BATCH_SIZE {self.count - self.count % parts}"
            raise InputError(f"DATA.TRAIN: {self.count} images, fewer than a batch, cannot be {shared}: take {fits}")

    @property
    def batches_per_epoch(self) -> int:
        """How many batches an epoch has, at least one."""
        return max(1, self.count // self.batch_size)

    def batches(self, epoch: int, start_batch: int = 0) -> list[list[SampleKey]]:
        """Return this rank's keys, batch by batch, from `start_batch` on (0 = all; the number of batches = none)."""
        if not 0 <= start_batch <= self.batches_per_epoch:
            raise ValueError(f"start_batch {start_batch}: an epoch has {self.batches_per_epoch} batches")
        order = make_rng(self.seed, epoch).permutation(self.count).tolist()
        keys = [SampleKey(epoch, index) for index in order]
        firsts = [number * self.batch_size for number in range(start_batch, self.batches_per_epoch)]
        return [keys[first : first + self.batch_size][self.rank :: self.world_size] for first in firsts]
