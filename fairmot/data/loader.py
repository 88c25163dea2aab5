"""Batches of an epoch from worker processes, the same whatever their number."""

import os
import weakref
from collections.abc import Iterator
from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader

from fairmot.data.collate import collate
from fairmot.data.joint_dataset import JointDataset, SampleKey
from fairmot.data.sampler import EpochSampler
from fairmot.structures.batch import Batch
from fairmot.utils.errors import InputError


class TrainLoader:
    """Makes the batches that a sampler names. Its workers stay alive from epoch to epoch and keep no state.

    workers: processes beside this one; 0 makes the batches here.
    pin_memory: put batches where copies to a CUDA device are fastest.
    """

    def __init__(
        self, dataset: JointDataset, sampler: EpochSampler, *, workers: int = 0, pin_memory: bool = False
    ) -> None:
        self.dataset = dataset
        self.sampler = sampler
        self._plan: list[list[SampleKey]] = []
        self._loader: DataLoader[Batch | InputError] = DataLoader(
            _Batches(dataset),
            batch_sampler=self._plan,
            collate_fn=_as_is,  # _Batches has collated already
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=pin_memory,
            worker_init_fn=_start_worker,
            generator=torch.Generator(),  # torch's own would be drawn from, and a resume would see it
        )
        self._finalizer = weakref.finalize(self, _end_workers, self._loader)

    def __len__(self) -> int:
        """Batches an epoch."""
        return self.sampler.batches_per_epoch

    def close(self) -> None:
        """End the workers; twice does no harm. It happens by itself at exit, before Python waits for its children."""
        self._finalizer()

    def epoch(self, epoch: int, start_batch: int = 0) -> Iterator[Batch]:
        """Yield the batches of `epoch` (from 0) from `start_batch` on; InputError names a file that cannot be read.

        One epoch at a time: starting another ends the one before, read to its end or not.
        """
        self._plan[:] = self.sampler.batches(epoch, start_batch)
        for result in self._loader:
            if isinstance(result, InputError):
                raise result
            yield result


class _Batches(torch.utils.data.Dataset[Batch | InputError]):
    """Whole batches by their keys. A user's mistake comes back as a value, since torch buries a raised one."""

    def __init__(self, dataset: JointDataset) -> None:
        self._dataset = dataset

    def __getitems__(self, keys: list[SampleKey]) -> Batch | InputError:
        try:
            return collate([self._dataset[key] for key in keys])
        except InputError as error:
            return error


def _end_workers(loader: DataLoader[Any]) -> None:
    iterator = loader._iterator
    if iterator is not None and hasattr(iterator, "_shutdown_workers"):
        iterator._shutdown_workers()
    loader._iterator = None


def _as_is(result: Any) -> Any:
    return result


def _start_worker(worker: int) -> None:
    """One thread each, and a process group of its own: Ctrl-C or a group's SIGTERM is for the trainer to answer."""
    del worker
    os.setpgid(0, 0)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
