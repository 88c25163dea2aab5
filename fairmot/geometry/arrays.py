"""Array type aliases and array helpers of the package."""

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]
ImageArray = npt.NDArray[np.uint8]


def require_shape(name: str, array: npt.NDArray[Any], shape: tuple[int | None, ...]) -> None:
    """Raise ValueError unless `array` has `shape`; None is any length.

    >>> require_shape("boxes", np.zeros((3, 4)), (None, 4))
    >>> require_shape("boxes", np.zeros((3, 5)), (None, 4))
    Traceback (most recent call last):
    ValueError: boxes: expected shape (*, 4), got (3, 5)
    """
    if array.ndim != len(shape) or any(e not in (None, n) for e, n in zip(shape, array.shape, strict=True)):
        expected = ", ".join("*" if length is None else str(length) for length in shape)
        raise ValueError(f"{name}: expected shape ({expected}), got {array.shape}")


def rows_of(mask: BoolArray) -> IntArray:
    """(N,) mask -> indices where it is true; `np.flatnonzero` without its overhead for one-dimensional masks."""
    return np.asarray(mask.nonzero()[0])
