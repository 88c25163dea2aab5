"""Batches of an epoch from worker processes, the same whatever their number."""

import os
import signal
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any, NamedTuple

import cv2
import torch
from torch.utils.data import DataLoader, get_worker_info

from fairmot.data.collate import collate
from fairmot.data.joint_dataset import JointDataset, SampleKey, TrainItem
from fairmot.data.sampler import EpochSampler
from fairmot.data.shared_memory import SharedBatch
from fairmot.structures.batch import Batch
from fairmot.utils.errors import InputError

LESS_MEMORY = "lower DATA.WORKERS or SOLVER.BATCH_SIZE, or give the container more memory"
MORE_SHARED_MEMORY = "docker run --shm-size=8g or --ipc=host"
KILLED = {
    signal.SIGKILL: f"most likely memory ran out (dmesg tells): {LESS_MEMORY}",
    signal.SIGBUS: f"most likely shared memory ran out: {MORE_SHARED_MEMORY}; or {LESS_MEMORY}",
}


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
        self.max_bad_images = bad_limit
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

        Raises InputError naming an image that cannot be read, when that is one too many; and where the workers cannot
        start or one of them was killed, with what helps. An epoch after that starts new ones.

        One epoch at a time: starting another ends the one before, read to its end or not.
        """
        self._plan[:] = self.sampler.batches(epoch, start_batch)
        for result in _results(self._loader):
            if isinstance(result, InputError):
                raise result
            self._note(result.bad)
            assert isinstance(result.batch, Batch)
            yield result.batch

    def _note(self, bad: tuple[str, ...]) -> None:
        for message in bad:
            if message in self._bad:
                continue
            self._bad.add(message)
            if len(self._bad) > self.max_bad_images:
                raise InputError(
                    f"{message}: more than DATA.MAX_BAD_IMAGES = {self.max_bad_images} images cannot be read"
                )
            self._report(f"{message}: passed over ({len(self._bad)} of DATA.MAX_BAD_IMAGES = {self.max_bad_images})")


class _Made(NamedTuple):
    """A batch, and what was wrong with images that were to be in it."""

    batch: Batch | SharedBatch  # the latter in a worker alone
    bad: tuple[str, ...]


class _Batches(torch.utils.data.Dataset[_Made | InputError]):
    """Whole batches by their keys. A user's mistake comes back as a value, since torch buries a raised one."""

    def __init__(self, dataset: JointDataset, *, tries: int) -> None:
        self._dataset = dataset
        self._tries = tries

    def __getitems__(self, keys: list[SampleKey]) -> _Made | InputError:
        bad: list[str] = []
        try:
            batch = collate([self._make(key, bad) for key in keys])
            return _Made(batch if get_worker_info() is None else _send(batch), tuple(bad))
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


def _send(batch: Batch) -> SharedBatch:
    try:
        return SharedBatch(batch)
    except OSError as error:
        size = sum(field.nbytes for field in batch if isinstance(field, torch.Tensor)) / 2**20
        raise InputError(f"a loader worker: no room for {size:.0f} MiB ({error.strerror}): {LESS_MEMORY}") from None


def _results(loader: DataLoader[_Made | InputError]) -> Iterator[_Made | InputError]:
    """Yield what the workers make. Raises InputError where they cannot start, or one is killed."""
    with _death_explained(loader):
        iterator = _start(loader)
    while True:
        with _death_explained(loader):
            result = next(iterator, None)
        if result is None:
            return
        yield result


def _start(loader: DataLoader[_Made | InputError]) -> Iterator[_Made | InputError]:
    try:
        with _same_child_handler():
            return iter(loader)
    except OSError as error:
        room = f"is /dev/shm full or missing? {MORE_SHARED_MEMORY}"
        raise InputError(f"the loader's workers cannot start ({error.strerror}): {room}; DATA.WORKERS 0") from None


@contextmanager
def _same_child_handler() -> Iterator[None]:
    """Take back torch's answer to a worker's death, which raises in whatever the trainer is at, half a step or file.

    Without it a dead worker is found when its batch has been missed for 5 s.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # where torch sets none
        return
    before = signal.getsignal(signal.SIGCHLD)
    try:
        yield
    finally:
        if before is not None:  # None: not Python's, and so not ours to set
            signal.signal(signal.SIGCHLD, before)


@contextmanager
def _death_explained(loader: DataLoader[Any]) -> Iterator[None]:
    """Make an InputError of what torch raises when a worker was killed from outside; other errors stay as they are."""
    try:
        yield
    except (RuntimeError, OSError, EOFError) as error:  # the latter two: it was killed while it handed a batch over
        cause = _cause_of_death(loader)
        if cause is None:
            raise
        _end_workers(loader)
        raise InputError(cause) from error


def _cause_of_death(loader: DataLoader[Any]) -> str | None:
    workers = _workers(loader)
    ended = wait([worker.sentinel for worker in workers], timeout=1 if workers else 0)
    for worker in workers:
        if worker.sentinel in ended:
            worker.join(timeout=5)  # its files close a moment before its exit code is known
        for number, cause in KILLED.items():
            if worker.exitcode == -number:
                return f"a loader worker was ended by {number.name}; {cause}"
    return None


def _workers(loader: DataLoader[Any]) -> list[Any]:
    return list(getattr(loader._iterator, "_workers", ()))


def _end_workers(loader: DataLoader[Any]) -> None:
    workers, iterator = _workers(loader), loader._iterator
    if iterator is not None and hasattr(iterator, "_shutdown_workers"):
        iterator._shutdown_workers()
    for worker in workers:
        worker.kill()  # one that hangs; torch has asked by SIGTERM, which they ignore
    loader._iterator = None


def _as_is(result: Any) -> Any:
    return result


def _start_worker(worker: int) -> None:
    """One thread each, and deaf to signals that end a run: Ctrl-C, or SIGTERM to a group or to all processes of a job.

    The trainer answers those, and needs its workers to reach the end of its step.
    """
    del worker
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
