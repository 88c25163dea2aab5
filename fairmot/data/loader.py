"""Batches of an epoch from worker processes, the same whatever their number."""

import os
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import cv2
import torch
from torch.utils.data import DataLoader

from fairmot.data.collate import collate
from fairmot.data.joint_dataset import JointDataset, SampleKey, TrainItem
from fairmot.data.sampler import EpochSampler
from fairmot.structures.batch import Batch
from fairmot.utils.errors import InputError


class TrainLoader:
    """Makes the batches that a sampler names. Its workers stay alive from epoch to epoch and keep no state.

    workers: processes beside this one; 0 makes the batches here.
    pin_memory: put batches where copies to a CUDA device are fastest.
    bad_limit: how many images that cannot be read are passed over, each for the image after it.
    report: told of each of them, once.
    """

    def __init__(
        self,
        dataset: JointDataset,
        sampler: EpochSampler,
        *,
        workers: int = 0,
        pin_memory: bool = False,
        bad_limit: int = 0,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.dataset = dataset
        self.sampler = sampler
        self.bad_limit = bad_limit
        self._report = report
        self._bad: set[str] = set()
        self._plan: list[list[SampleKey]] = []
        self._loader: DataLoader[_Made | InputError] = DataLoader(
            _Batches(dataset, tries=bad_limit + 1),
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
        """Yield the batches of `epoch` (from 0) from `start_batch` on.

        Raises InputError naming an image that cannot be read, when that is one too many.

        One epoch at a time: starting another ends the one before, read to its end or not.
        """
        self._plan[:] = self.sampler.batches(epoch, start_batch)
        for result in self._loader:
            if isinstance(result, InputError):
                raise result
            self._note(result.bad)
            yield result.batch

    def _note(self, bad: tuple[str, ...]) -> None:
        for message in bad:
            if message in self._bad:
                continue
            self._bad.add(message)
            if len(self._bad) > self.bad_limit:
                raise InputError(f"{message}: more than DATA.BAD_IMAGES = {self.bad_limit} images cannot be read")
            self._report(f"{message}: passed over ({len(self._bad)} of DATA.BAD_IMAGES = {self.bad_limit})")


class _Made(NamedTuple):
    """A batch, and what was wrong with images that were to be in it."""

    batch: Batch
    bad: tuple[str, ...]


class _Batches(torch.utils.data.Dataset[_Made | InputError]):
    """Whole batches by their keys. A user's mistake comes back as a value, since torch buries a raised one."""

    def __init__(self, dataset: JointDataset, *, tries: int) -> None:
        self._dataset = dataset
        self._tries = tries

    def __getitems__(self, keys: list[SampleKey]) -> _Made | InputError:
        bad: list[str] = []
        try:
            return _Made(collate([self._make(key, bad) for key in keys]), tuple(bad))
        except InputError as error:
            return error

    def _make(self, key: SampleKey, bad: list[str]) -> TrainItem:
        """Return the item of `key`, or of the first one after it whose image can be read; note the others in `bad`."""
        for step in range(self._tries):
            try:
                return self._dataset[SampleKey(key.epoch, (key.sample + step) % len(self._dataset))]
            except InputError as error:
                if step + 1 == self._tries:
                    raise
                bad.append(str(error))
        raise AssertionError("no tries")


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
