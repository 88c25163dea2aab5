"""Chunked enumeration of all pairs of an object and a map cell in its window, in bounded memory.

Legend: N objects.
"""

import torch


def chunk_counts(areas_N: torch.Tensor, *, max_cells: int) -> list[int]:
    """Return the number of objects of each chunk, of at most `max_cells` cells plus one area; one copy to the host.

    >>> chunk_counts(torch.tensor([3, 3, 3, 9, 1]), max_cells=7)
    [2, 1, 2]
    """
    chunks_N = areas_N.cumsum(0).cpu() // max_cells
    counts: list[int] = torch.unique_consecutive(chunks_N, return_counts=True)[1].tolist()
    return counts


def arange_per_item(counts_N: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the item index and the position within the item, for `counts_N` positions of each of N items.

    >>> [part.tolist() for part in arange_per_item(torch.tensor([2, 3]))]
    [[0, 0, 1, 1, 1], [0, 1, 0, 1, 2]]
    """
    items = torch.repeat_interleave(counts_N)
    starts_N = counts_N.cumsum(0) - counts_N
    return items, torch.arange(len(items), device=counts_N.device) - starts_N.index_select(0, items)
