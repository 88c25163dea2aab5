"""Safe unpickling of NumPy scalars and arrays in old PyTorch files.

Training scripts stored an epoch, a score or a random state with the weights. NumPy's own functions can rebuild them,
but its `dtype` and `ndarray` accept any state from a pickle. The replacements here accept only plain types (numbers,
booleans, text), read their raw bytes, and reject everything else.
"""

from collections.abc import Callable
from typing import Any

import numpy as np


class _DType:
    """A pickled dtype: a code such as `f8`, then a state whose second entry is the byte order."""

    def __init__(self, code: str, *_: object) -> None:
        self.value = np.dtype(str(code))
        if self.value.kind not in "biufcSU":
            raise ValueError(f"an array of {code}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.value = self.value.newbyteorder(state[1])


class _Array(np.ndarray[Any, Any]):
    """An empty array that takes its content from a pickle's state, as plain bytes."""

    def __new__(cls, *_: object) -> "_Array":
        return super().__new__(cls, (0,), np.int8)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, is_fortran, raw = state
        if not isinstance(dtype, _DType):
            raise ValueError("an array whose content is not plain")
        sizes = tuple(int(size) for size in shape)
        plain: Any = (1, sizes, dtype.value, bool(is_fortran), _bytes(raw))
        super().__setstate__(plain)


def _bytes(raw: bytes | str) -> bytes:
    """Return bytes; pickles of Python 2 have text."""
    if not isinstance(raw, bytes | str):
        raise ValueError("an array whose content is not plain")
    return raw.encode("latin1") if isinstance(raw, str) else raw


def _rebuild_scalar(dtype: _DType, raw: bytes | str) -> np.generic:
    scalar: np.generic = np.frombuffer(_bytes(raw), dtype.value, count=1)[0]
    return scalar


def _array_class() -> None:
    """Replacement of `numpy.ndarray` as an argument of `_reconstruct`, which `_Array` ignores."""


SAFE_GLOBALS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    (_DType, "numpy.dtype"),
    (_array_class, "numpy.ndarray"),
    (_Array, "numpy.core.multiarray._reconstruct"),
    (_Array, "numpy._core.multiarray._reconstruct"),
    (_rebuild_scalar, "numpy.core.multiarray.scalar"),
    (_rebuild_scalar, "numpy._core.multiarray.scalar"),
    _Array,  # allows the unpickler to set its state
]
"""For `torch.serialization.safe_globals`: NumPy's names and their replacements."""
