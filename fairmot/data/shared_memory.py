"""Transfer of batches from loader workers to the trainer through anonymous shared memory.

PyTorch sends tensors as files in /dev/shm, which has 64 MB in a container by default; a worker that exceeds it dies of
a bus error. An anonymous file (memfd_create(2)) is as fast, and only limited by the machine's memory.
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


class _TensorSpec(NamedTuple):
    """Offset of a tensor in the file (bytes), and its shape and type."""

    offset: int
    shape: tuple[int, ...]
    dtype: str


class SharedBatch:
    """A batch in an anonymous file. It can be pickled once, as the file's descriptor, and unpickles as a `Batch`.

    Raises OSError where the system has no memory or no file descriptor left.
    """

    def __init__(self, batch: Batch) -> None:
        self._fields: list[Any] = []
        file = os.memfd_create("fairmot-batch")
        with os.fdopen(file, "wb") as stream:  # write, not mmap: too little memory is then an error, not a signal
            for field in batch:
                self._fields.append(_write(stream, field.numpy()) if isinstance(field, torch.Tensor) else field)
            stream.flush()
            self._size = stream.tell()
            self._descriptor = DupFd(file)

    def __reduce__(self) -> tuple[Callable[..., Batch], tuple[Any, ...]]:
        return _receive, (self._descriptor, self._size, self._fields)


def _write(stream: Any, array: npt.NDArray[Any]) -> _TensorSpec:
    offset = -(-stream.tell() // ALIGNMENT) * ALIGNMENT
    stream.seek(offset)
    stream.write(np.ascontiguousarray(array).data)
    return _TensorSpec(offset, array.shape, array.dtype.str)


def _receive(descriptor: Any, size: int, fields: list[Any]) -> Batch:
    """Return the batch whose tensors are views of the mapped file, which is freed with the last of them."""
    file = descriptor.detach()
    try:
        memory = mmap.mmap(file, size)
    finally:
        os.close(file)
    own: list[Any] = [_map(memory, field) if isinstance(field, _TensorSpec) else field for field in fields]
    return Batch(*own)


def _map(memory: mmap.mmap, spec: _TensorSpec) -> torch.Tensor:
    return torch.from_numpy(np.ndarray(spec.shape, spec.dtype, memory, spec.offset))
