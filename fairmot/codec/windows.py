"""Objects that each cover some cells of a map: visiting all pairs of an object and a cell in bounded memory.

Legend: N objects.
"""

import torch


def chunk_counts(areas_N: torch.Tensor, *, at_once: int) -> list[int]:
    """Return how many objects to take at a time, `at_once` cells and one area at most; one transfer to the host.

    >>> chunk_counts(torch.tensor([3, 3, 3, 9, 1]), at_once=7)
    [2, 1, 2]
    """
    groups_N = areas_N.cumsum(0).cpu() // at_once
    counts: list[int] = torch.unique_consecutive(groups_N, return_counts=True)[1].tolist()
    return counts


def arange_per_item(counts_N: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return for each of the counted things whose it is, and its number from 0 there.

    >>> [part.tolist() for part in arange_per_item(torch.tensor([2, 3]))]
    [[0, 0, 1, 1, 1], [0, 1, 0, 1, 2]]
    """
    owners = torch.repeat_interleave(counts_N)
    starts_N = counts_N.cumsum(0) - counts_N
    return owners, torch.arange(len(owners), device=counts_N.device) - starts_N.index_select(0, owners)
