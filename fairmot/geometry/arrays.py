"""Array aliases and the shape check that every NumPy structure shares."""

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]
ImageArray = npt.NDArray[np.uint8]


def require_shape(name: str, array: npt.NDArray[Any], shape: tuple[int | None, ...]) -> None:
    """Raise ValueError unless `array` has `shape`; None stands for any length.

    >>> require_shape("boxes", np.zeros((3, 4)), (None, 4))
    >>> require_shape("boxes", np.zeros((3, 5)), (None, 4))
    Traceback (most recent call last):
    ValueError: boxes: expected shape (*, 4), got (3, 5)
    """
    matches = array.ndim == len(shape) and all(w is None or w == g for w, g in zip(shape, array.shape, strict=True))
    if not matches:
        wanted = ", ".join("*" if length is None else str(length) for length in shape)
        raise ValueError(f"{name}: expected shape ({wanted}), got {array.shape}")


def rows_of(mask: BoolArray) -> IntArray:
    """(N,) mask -> the places where it is true, in order: `np.flatnonzero` for what is flat already."""
    return np.asarray(mask.nonzero()[0])
