"""A batch on its way from a loader's worker to the trainer, in memory that no file system bounds.

PyTorch hands tensors over as files in /dev/shm, of which a container has 64 MB unless it is given more; a worker that
writes past its end dies of a bus error. An anonymous file (memfd_create(2)) is as fast, and only the machine's memory
bounds it.
"""

import mmap
import os
from collections.abc import Callable
from multiprocessing.reduction import DupFd
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from fairmot.structures.batch import Batch

ALIGNMENT = 64  # bytes


class _Place(NamedTuple):
    """Where a tensor lies in the file (bytes from its start), and what it is."""

    first: int
    shape: tuple[int, ...]
    dtype: str


class SharedBatch:
    """A batch in a file of its own. It pickles as the file's descriptor, once, and what is unpickled is a `Batch`.

    Raises OSError where the system has no memory or no descriptor left for it.
    """

    def __init__(self, batch: Batch) -> None:
        self._fields: list[Any] = []
        file = os.memfd_create("fairmot-batch")
        with os.fdopen(file, "wb") as stream:  # written, not mapped: no memory is an error then, and no bus error
            for field in batch:
                self._fields.append(_write(stream, field.numpy()) if isinstance(field, torch.Tensor) else field)
            stream.flush()
            self._size = stream.tell()
            self._descriptor = DupFd(file)

    def __reduce__(self) -> tuple[Callable[..., Batch], tuple[Any, ...]]:
        return _receive, (self._descriptor, self._size, self._fields)


def _write(stream: Any, array: npt.NDArray[Any]) -> _Place:
    first = -(-stream.tell() // ALIGNMENT) * ALIGNMENT
    stream.seek(first)
    stream.write(np.ascontiguousarray(array).data)
    return _Place(first, array.shape, array.dtype.str)


def _receive(descriptor: Any, size: int, fields: list[Any]) -> Batch:
    """Return the batch whose tensors lie in the mapped file; the last of them to go frees it."""
    file = descriptor.detach()
    try:
        memory = mmap.mmap(file, size)
    finally:
        os.close(file)
    here: list[Any] = [_map(memory, field) if isinstance(field, _Place) else field for field in fields]
    return Batch(*here)


def _map(memory: mmap.mmap, place: _Place) -> torch.Tensor:
    return torch.from_numpy(np.ndarray(place.shape, place.dtype, memory, place.first))
