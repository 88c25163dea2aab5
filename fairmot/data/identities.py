"""One identity space over many sequences: what the identity classifier tells apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairmot.geometry.arrays import IntArray


@dataclass(frozen=True)
class IdentitySpace:
    """Numbers 0 ... count - 1 for the people of S sequences; one number in two sequences is two people.

    ids: for each sequence its people's own numbers, sorted.
    starts: (S + 1,) first number of each sequence, and the count at the end.
    """

    ids: tuple[IntArray, ...]
    starts: IntArray

    @property
    def count(self) -> int:
        """How many identities there are."""
        return int(self.starts[-1])

    def number(self, sequence: int, ids: IntArray) -> IntArray:
        """Return (N,) the global identities of a sequence's own `ids` (N,), which must be known to it."""
        return np.asarray(self.starts[sequence] + np.searchsorted(self.ids[sequence], ids))

    def origin(self, identity: int) -> tuple[int, int]:
        """Return (sequence, its own id) of a global identity.

        >>> space = build_identity_space([np.array([7, 3, 7]), np.array([3])])
        >>> space.count, space.number(0, np.array([3, 7])).tolist(), space.origin(2)
        (3, [0, 1], (1, 3))
        """
        sequence = int(np.searchsorted(self.starts, identity, side="right")) - 1
        return sequence, int(self.ids[sequence][identity - self.starts[sequence]])


def build_identity_space(ids_of_sequences: Sequence[IntArray]) -> IdentitySpace:
    """Number the people of each sequence by their own ids, sequence after sequence: row order makes no difference."""
    known = tuple(np.unique(ids).astype(np.int64) for ids in ids_of_sequences)
    return IdentitySpace(known, np.cumsum([0, *(len(ids) for ids in known)]))
