"""Tiled execution of convolutions: a map is processed in horizontal tiles, which bounds the intermediate memory.

Legend: B images, C channels, H W of the map.
"""

from collections.abc import Callable

import torch

TILE_BYTES = 6 << 20  # of the widest intermediate map: fits the CPU's caches


def tiled(
    run: Callable[[torch.Tensor], torch.Tensor],
    features_BCHW: torch.Tensor,
    *,
    halo: int,
    channels: int,
    stride: int = 1,
) -> torch.Tensor:
    """Return `run(features)`, computed in horizontal tiles; for inference on a CPU.

    run: convolutions (padding included) and pointwise functions that keep the size, or divide it by `stride`.
    halo: rows of the receptive field above and below an output row, rounded up to a multiple of `stride`; channels: of
    the widest intermediate map. The result has channels-last strides, unless one tile covers the map.
    """
    B, _, H, W = features_BCHW.shape
    fitting = TILE_BYTES // max(1, B * W * channels * features_BCHW.element_size())
    rows = max(8, fitting // 8 * 8)
    if rows >= H or H % stride:
        return run(features_BCHW)

    def run_tile(first: int) -> torch.Tensor:
        """Return the output rows of input rows `first` to `first + rows`."""
        top = max(0, first - halo)
        start, stop = (first - top) // stride, (min(first + rows, H) - top) // stride
        return run(features_BCHW[:, :, top : first + rows + halo])[:, :, start:stop]

    tile = run_tile(0)
    out = tile.new_empty((B, H // stride, tile.shape[3], tile.shape[1])).permute(0, 3, 1, 2)
    out[:, :, : rows // stride] = tile
    for first in range(rows, H, rows):
        out[:, :, first // stride : (first + rows) // stride] = run_tile(first)
    return out
