"""Splits of sequences: ranges and halves of the frames of each sequence.

Legend: F images, n frames of one sequence.
"""

from dataclasses import dataclass

import numpy as np

from fairmot.geometry.arrays import BoolArray, IntArray

WHOLE, FIRST_HALF, SECOND_HALF = "whole", "first_half", "second_half"
PUBLISHED, CENTERTRACK = "published", "centertrack"


@dataclass(frozen=True)
class Split:
    """Selection of frames, applied to each sequence independently.

    part: whole | first_half | second_half.
    half: number of frames of the first half: `published` int(n / 2), as FairMOT; `centertrack` n // 2 + 1, as
        CenterTrack and ByteTrack.
    first, last: positions of the first and last frame in the sequence, from 1; 0 = open. Applied before halving.
    limit: number of frames to keep of the result; 0 = all.
    """

    part: str = WHOLE
    half: str = PUBLISHED
    first: int = 0
    last: int = 0
    limit: int = 0

    def range_of(self, length: int) -> range:
        """Return the positions (from 0) of the split's frames in a sequence of `length` frames.

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

    sequence_of, frames: (F,) sequence and frame number of each image. Within a sequence images are sorted by frame
    number, stably.
    """
    order = np.lexsort((frames, sequence_of))
    lengths = np.bincount(sequence_of) if len(sequence_of) else np.zeros(0, dtype=np.int64)
    ranges = [split.range_of(int(length)) for length in lengths]
    starts, stops = (np.array([getattr(r, end) for r in ranges], dtype=np.int64) for end in ("start", "stop"))
    position = np.empty(len(frames), dtype=np.int64)
    position[order] = np.arange(len(frames)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.asarray((position >= starts[sequence_of]) & (position < stops[sequence_of]))
