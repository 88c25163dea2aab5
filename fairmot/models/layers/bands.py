"""Running convolutions over a map band by band, so that what lies between two of them stays small.

Legend: B images, C channels, H W of the map.
"""

from collections.abc import Callable

import torch
from torch import fx

BAND_BYTES = 6 << 20  # of the widest map between two layers: stays in the caches, and is never mapped afresh


def in_bands(
    run: Callable[[torch.Tensor], torch.Tensor],
    features_BCHW: torch.Tensor,
    *,
    halo: int,
    channels: int,
    stride: int = 1,
) -> torch.Tensor:
    """Return `run(features)`, on a CPU without gradients computed in horizontal bands.

    run: convolutions (padding included) and functions of single cells that keep the size, or divide it by `stride`.
    halo: rows that a row of the output sees above and below it, at least, and a multiple of `stride`; channels: of the
    widest map on the way. The result has channels-last strides then.
    """
    if isinstance(features_BCHW, fx.Proxy) or torch.is_grad_enabled() or features_BCHW.device.type != "cpu":
        return run(features_BCHW)
    B, _, H, W = features_BCHW.shape
    fitting = BAND_BYTES // max(1, B * W * channels * features_BCHW.element_size())
    rows = max(8, fitting // 8 * 8)
    if rows >= H or H % stride:
        return run(features_BCHW)
    out = torch.empty(0)
    for first in range(0, H, rows):
        last, top = min(first + rows, H), max(0, first - halo)
        band = run(features_BCHW[:, :, top : last + halo])
        if first == 0:
            out = band.new_empty((B, H // stride, *band.shape[3:], band.shape[1])).permute(0, 3, 1, 2)
        skipped = (first - top) // stride
        out[:, :, first // stride : last // stride] = band[:, :, skipped : skipped + (last - first) // stride]
    return out
