"""Training data loader: batches of an epoch from worker processes, the same for any number of workers."""

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
    signal.SIGKILL: f"most likely out of memory (see dmesg): {LESS_MEMORY}",
    signal.SIGBUS: f"most likely out of shared memory: {MORE_SHARED_MEMORY}; or {LESS_MEMORY}",
}


class TrainLoader:
    """Loads the batches of a sampler. Workers persist over epochs and are stateless.

    workers: number of processes; 0 loads in this process.
    pin_memory: put batches into pinned memory, for fast copies to a CUDA device.
    max_bad_images: number of unreadable images that are skipped, each replaced by the next image.
    report: receives one message for each of them.
    """

    def __init__(
        self,
        dataset: JointDataset,
        sampler: EpochSampler,
        *,
        workers: int = 0,
        pin_memory: bool = False,
        max_bad_images: int = 0,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.dataset = dataset
        self.sampler = sampler
        self.max_bad_images = max_bad_images
        self._report = report
        self._bad: set[str] = set()
        self._keys: list[list[SampleKey]] = []
        self._loader: DataLoader[LoadedBatch | InputError] = DataLoader(
            _BatchDataset(dataset, tries=max_bad_images + 1),
            batch_sampler=self._keys,
            collate_fn=_identity,  # _BatchDataset has collated already
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=pin_memory,
            worker_init_fn=_init_worker,
            generator=torch.Generator(),  # the default one would be drawn from, which changes a resumed run
        )
        self._finalizer = weakref.finalize(self, _stop_workers, self._loader)

    def __len__(self) -> int:
        """Number of batches per epoch."""
        return self.sampler.batches_per_epoch

    def close(self) -> None:
        """Stop the workers; may be called twice, and is called at exit before Python waits for its child processes."""
        self._finalizer()

    def epoch(self, epoch: int, start_batch: int = 0) -> Iterator[Batch]:
        """Yield the batches of `epoch` (from 0), beginning with `start_batch`.

        Starting an epoch ends the previous one, finished or not.

        Raises InputError: more unreadable images than are allowed; workers that cannot start; a worker that was
        killed, with the remedy. The next epoch starts new workers.
        """
        self._keys[:] = self.sampler.batches(epoch, start_batch)
        with _translated_worker_death(self._loader):
            iterator = _start(self._loader)
        while True:
            with _translated_worker_death(self._loader):
                loaded = next(iterator, None)
            if loaded is None:
                return
            if isinstance(loaded, InputError):
                raise loaded
            self._count_bad(loaded.bad)
            assert isinstance(loaded.batch, Batch)
            yield loaded.batch

    def _count_bad(self, bad: tuple[str, ...]) -> None:
        for message in bad:
            if message in self._bad:
                continue
            self._bad.add(message)
            limit = f"DATA.MAX_BAD_IMAGES = {self.max_bad_images}"
            if len(self._bad) > self.max_bad_images:
                raise InputError(f"{message}: more than {limit} images cannot be read")
            self._report(f"{message}: skipped ({len(self._bad)} of {limit})")


class LoadedBatch(NamedTuple):
    """A batch, and the error messages of images that were skipped for it."""

    batch: Batch | SharedBatch  # the latter only on the way from a worker
    bad: tuple[str, ...]


class _BatchDataset(torch.utils.data.Dataset[LoadedBatch | InputError]):
    """Collated batches by their keys. An InputError is returned, because torch wraps a raised one in a traceback."""

    def __init__(self, dataset: JointDataset, *, tries: int) -> None:
        self._dataset = dataset
        self._tries = tries

    def __getitems__(self, keys: list[SampleKey]) -> LoadedBatch | InputError:
        items: list[TrainItem] = []
        bad: list[str] = []
        try:
            for key in keys:
                items.append(self._load(key, bad))
            batch = collate(items)
            return LoadedBatch(batch if get_worker_info() is None else _share(batch), tuple(bad))
        except InputError as error:
            return error

    def _load(self, key: SampleKey, bad: list[str]) -> TrainItem:
        """Return the item of `key`, or of the next readable image; append the errors of the others to `bad`."""
        for step in range(self._tries):
            try:
                return self._dataset[SampleKey(key.epoch, (key.sample + step) % len(self._dataset))]
            except InputError as error:
                if step + 1 == self._tries:
                    raise
                bad.append(str(error))
        raise AssertionError("no tries")


def _share(batch: Batch) -> SharedBatch:
    try:
        return SharedBatch(batch)
    except OSError as error:
        size = sum(field.nbytes for field in batch if isinstance(field, torch.Tensor)) / 2**20
        raise InputError(f"a loader worker: no room for {size:.0f} MiB ({error.strerror}): {LESS_MEMORY}") from None


def _start(loader: DataLoader[LoadedBatch | InputError]) -> Iterator[LoadedBatch | InputError]:
    """Start the workers and restore the SIGCHLD handler.

    torch's handler raises in any statement of the trainer, for example between two halves of a checkpoint. Without it a
    dead worker is detected when its batch has been missing for 5 s. In other threads torch sets none.
    """
    is_main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGCHLD) if is_main else None
    try:
        return iter(loader)
    except OSError as error:
        room = f"is /dev/shm full or missing? {MORE_SHARED_MEMORY}"
        raise InputError(f"the loader's workers cannot start ({error.strerror}): {room}; DATA.WORKERS 0") from None
    finally:
        if handler is not None:  # None: not installed from Python
            signal.signal(signal.SIGCHLD, handler)


@contextmanager
def _translated_worker_death(loader: DataLoader[Any]) -> Iterator[None]:
    """Raise InputError for the error that torch raises after a worker was killed; other errors pass."""
    try:
        yield
    except (RuntimeError, OSError, EOFError) as error:  # the latter two: killed while sending a batch
        cause = _death_cause(loader)
        if cause is None:
            raise
        _stop_workers(loader)
        raise InputError(cause) from error


def _death_cause(loader: DataLoader[Any]) -> str | None:
    workers = _workers(loader)
    ended = wait([worker.sentinel for worker in workers], timeout=1 if workers else 0)
    for worker in workers:
        if worker.sentinel in ended:
            worker.join(timeout=5)  # its files close shortly before its exit code is known
        for number, cause in KILLED.items():
            if worker.exitcode == -number:
                return f"a loader worker was ended by {number.name}; {cause}"
    return None


def _workers(loader: DataLoader[Any]) -> list[Any]:
    return list(getattr(loader._iterator, "_workers", ()))


def _stop_workers(loader: DataLoader[Any]) -> None:
    workers, iterator = _workers(loader), loader._iterator
    if iterator is not None and hasattr(iterator, "_shutdown_workers"):
        iterator._shutdown_workers()
    for worker in workers:
        worker.kill()  # one that hangs: torch sends SIGTERM, which workers ignore
    loader._iterator = None


def _identity(batch: Any) -> Any:
    return batch


def _init_worker(worker: int) -> None:
    """Limit the worker to one thread, and ignore Ctrl-C and SIGTERM sent to the process group or to the job.

    The trainer handles these signals, and needs its workers to finish its step.
    """
    del worker
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
