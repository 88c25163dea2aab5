"""Which frames of each sequence belong to a split.

Legend: F images, n frames of one sequence.
"""

from dataclasses import dataclass

import numpy as np

from fairmot.geometry.arrays import BoolArray, IntArray

WHOLE, FIRST_HALF, SECOND_HALF = "whole", "first_half", "second_half"
PUBLISHED, CENTERTRACK = "published", "centertrack"


@dataclass(frozen=True)
class Split:
    """A choice of frames, made in each sequence by itself.

    part: whole | first_half | second_half.
    half: how many frames the first half has: `published` int(n / 2), as FairMOT; `centertrack` n // 2 + 1, as
        CenterTrack and ByteTrack.
    first, last: places of the first and the last frame within the sequence, from 1; 0 = open. Counted before halving.
    limit: the first so many frames of what is left; 0 = all.
    """

    part: str = WHOLE
    half: str = PUBLISHED
    first: int = 0
    last: int = 0
    limit: int = 0

    def range_of(self, length: int) -> range:
        """Return the places (from 0) that belong to the split, of a sequence of `length` frames.

        >>> Split("second_half").range_of(5), Split("second_half", half="centertrack").range_of(5)
        (range(2, 5), range(3, 5))
        """
        start, stop = max(self.first - 1, 0), min(self.last or length, length)
        count = max(stop - start, 0)
        middle = start + (count // 2 + 1 if self.half == CENTERTRACK else count // 2)
        if self.part == FIRST_HALF:
            stop = min(middle, stop)
        elif self.part == SECOND_HALF:
            start = min(middle, stop)
        if self.limit:
            stop = min(stop, start + self.limit)
        return range(start, max(start, stop))


def choose_images(split: Split, sequence_of: IntArray, frames: IntArray) -> BoolArray:
    """Return (F,) whether each image belongs to the split.

    sequence_of, frames: (F,) sequence and frame number of each image. Within a sequence images go by frame number, and
    by their order where numbers are equal.
    """
    order = np.lexsort((frames, sequence_of))
    lengths = np.bincount(sequence_of) if len(sequence_of) else np.zeros(0, dtype=np.int64)
    ranges = [split.range_of(int(length)) for length in lengths]
    starts, stops = (np.array([getattr(r, end) for r in ranges], dtype=np.int64) for end in ("start", "stop"))
    place = np.empty(len(frames), dtype=np.int64)
    place[order] = np.arange(len(frames)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.asarray((place >= starts[sequence_of]) & (place < stops[sequence_of]))
