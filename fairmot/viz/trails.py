"""Trails of the tracks over the last frames."""

from collections import deque
from collections.abc import Mapping

import numpy as np

from fairmot.geometry.arrays import FloatArray, IntArray


class FootTrails:
    """Foot points (middle of a box's lower side) of the tracks over the last `length` frames.

    Tracks unobserved for `length` frames are removed, which bounds the memory over a stream.

    >>> trails = FootTrails(length=2)
    >>> for left in (0.0, 4.0, 8.0):
    ...     points = trails.update(np.array([7]), np.array([[left, 10.0, 2.0, 5.0]]))
    >>> points[7].tolist()
    [[5.0, 15.0], [9.0, 15.0]]
    """

    def __init__(self, length: int = 30) -> None:
        if length < 1:
            raise ValueError(f"length: expected 1 or more, got {length}")
        self._length = length
        self._frame = 0
        self._points: dict[int, deque[tuple[int, float, float]]] = {}

    def update(self, ids: IntArray, boxes_tlwh: FloatArray) -> Mapping[int, FloatArray]:
        """Add one frame's tracks, (N,) and (N, 4) pixels; return for each of them identity -> (K, 2) points.

        The points are those of the last `length` frames, oldest first.
        """
        self._frame += 1
        for identity, (left, top, width, height) in zip(ids.tolist(), boxes_tlwh.tolist(), strict=True):
            points = self._points.setdefault(identity, deque(maxlen=self._length))
            points.append((self._frame, left + width / 2, top + height))
        oldest = self._frame - self._length + 1
        for identity, points in list(self._points.items()):
            while points and points[0][0] < oldest:
                points.popleft()
            if not points:
                del self._points[identity]
        return {identity: np.array(self._points[identity])[:, 1:] for identity in ids.tolist()}
