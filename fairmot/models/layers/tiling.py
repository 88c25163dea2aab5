"""Running convolutions over a map band by band, so that what lies between two of them stays small.

Legend: B images, C channels, H W of the map.
"""

from collections.abc import Callable, Iterator

import torch

BAND_BYTES = 6 << 20  # of the widest map between two layers: stays in the caches, and is never mapped afresh


def tiled(
    run: Callable[[torch.Tensor], torch.Tensor],
    features_BCHW: torch.Tensor,
    *,
    halo: int,
    channels: int,
    stride: int = 1,
) -> torch.Tensor:
    """Return `run(features)`, computed in horizontal bands; for inference on a CPU.

    run: convolutions (padding included) and functions of single cells that keep the size, or divide it by `stride`.
    halo: rows that a row of the output sees above and below it, at least, and a multiple of `stride`; channels: of the
    widest map on the way. The result has channels-last strides, unless the map is one band.
    """
    B, _, H, W = features_BCHW.shape
    fitting = BAND_BYTES // max(1, B * W * channels * features_BCHW.element_size())
    rows = max(8, fitting // 8 * 8)
    if rows >= H or H % stride:
        return run(features_BCHW)
    bands = _bands(run, features_BCHW, halo=halo, rows=rows, stride=stride)
    start, band = next(bands)
    out = band.new_empty((B, H // stride, *band.shape[3:], band.shape[1])).permute(0, 3, 1, 2)
    out[:, :, start : start + band.shape[2]] = band
    for start, band in bands:
        out[:, :, start : start + band.shape[2]] = band
    return out


def _bands(
    run: Callable[[torch.Tensor], torch.Tensor], features_BCHW: torch.Tensor, *, halo: int, rows: int, stride: int
) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield each band's first row in the output, and the band."""
    height = features_BCHW.shape[2]
    for first in range(0, height, rows):
        last, top = min(first + rows, height), max(0, first - halo)
        skipped = (first - top) // stride
        band = run(features_BCHW[:, :, top : last + halo])
        yield first // stride, band[:, :, skipped : skipped + (last - first) // stride]
