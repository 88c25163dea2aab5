"""Triton kernels of the deformable convolution: read the samples, and carry gradients back through them.

Importing this module imports triton; `deform_conv_cuda` does so when the first tensor on a GPU comes along.

A program does `BLOCK_N` samples of one output row, a sample being one tap of one place; neighbouring lanes hold
neighbouring channels, so that reads, writes and atomic additions run along memory in channels-last maps. Coordinates,
shares and sums are float32, whatever the maps hold.

Legend: B images, C channels, H W map size, T taps of the kernel, N samples.
"""

# mypy: ignore-errors
# (Triton's language looks like Python, but its types are its own.)

import triton
import triton.language as tl

VARYING = (  # arguments whose values must not each compile a kernel of their own
    "first_row",
    "tiles",
    "H",
    "W",
    "out_h",
    "out_w",
    "offset_b",
    "offset_c",
    "offset_y",
    "offset_x",
    "mask_b",
    "mask_c",
    "mask_y",
    "mask_x",
)


@triton.jit
def _sample_places(
    offset, out_y, out_x, tap, is_there, offset_c, offset_x, H, W,
    KERNEL_W: tl.constexpr,
    STRIDE_Y: tl.constexpr, STRIDE_X: tl.constexpr,
    PADDING_Y: tl.constexpr, PADDING_X: tl.constexpr,
    DILATION_Y: tl.constexpr, DILATION_X: tl.constexpr,
):  # fmt: skip
    """(N,) y and x on the map; beyond two cells outside it, where nothing is read, moved to there."""
    at = offset + out_x * offset_x + 2 * tap * offset_c
    grid_y = out_y * STRIDE_Y - PADDING_Y + (tap // KERNEL_W) * DILATION_Y
    grid_x = out_x * STRIDE_X - PADDING_X + (tap % KERNEL_W) * DILATION_X
    y = grid_y.to(tl.float32) + tl.load(at, mask=is_there, other=0.0).to(tl.float32)
    x = grid_x.to(tl.float32) + tl.load(at + offset_c, mask=is_there, other=0.0).to(tl.float32)
    y = tl.where(y < -2.0, -2.0, tl.where(y > H, H.to(tl.float32), y))  # what is no number stays none
    x = tl.where(x < -2.0, -2.0, tl.where(x > W, W.to(tl.float32), x))
    return y, x


@triton.jit
def _corner_shares(below, right, modulation):
    """(N,) weights of the upper left, upper right, lower left and lower right pixel."""
    lower = modulation * below
    upper = modulation - lower
    upper_right = upper * right
    lower_right = lower * right
    return upper - upper_right, upper_right, lower - lower_right, lower_right


@triton.jit(do_not_specialize=VARYING)
def sample_kernel(
    features, offset, mask, columns, first_row, tiles, H, W, out_h, out_w,
    offset_b, offset_c, offset_y, offset_x, mask_b, mask_c, mask_y, mask_x,
    C: tl.constexpr, TAPS: tl.constexpr, KERNEL_W: tl.constexpr,
    STRIDE_Y: tl.constexpr, STRIDE_X: tl.constexpr,
    PADDING_Y: tl.constexpr, PADDING_X: tl.constexpr,
    DILATION_Y: tl.constexpr, DILATION_X: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Write columns (rows, out_w, T, C): the modulated samples of output rows from `first_row` on.

    features: (B, H, W, C); grid: (rows * tiles of a row, blocks of channels).
    """
    local_row = tl.program_id(0) // tiles
    image = ((first_row + local_row) // out_h).to(tl.int64)
    out_y = (first_row + local_row) % out_h
    sample = (tl.program_id(0) % tiles) * BLOCK_N + tl.arange(0, BLOCK_N)
    out_x, tap = sample // TAPS, sample % TAPS
    is_there = out_x < out_w
    y, x = _sample_places(
        offset + image * offset_b + out_y * offset_y, out_y, out_x, tap, is_there, offset_c, offset_x, H, W,
        KERNEL_W, STRIDE_Y, STRIDE_X, PADDING_Y, PADDING_X, DILATION_Y, DILATION_X,
    )  # fmt: skip
    mask_at = mask + image * mask_b + out_y * mask_y + out_x * mask_x + tap * mask_c
    modulation = tl.load(mask_at, mask=is_there, other=0.0).to(tl.float32)
    top_edge, left_edge = tl.floor(y), tl.floor(x)
    ul_share, ur_share, ll_share, lr_share = _corner_shares(y - top_edge, x - left_edge, modulation)
    top, left = top_edge.to(tl.int32), left_edge.to(tl.int32)
    has_upper, has_lower = is_there & (top >= 0) & (top < H), is_there & (top >= -1) & (top < H - 1)
    has_left, has_right = (left >= 0) & (left < W), (left >= -1) & (left < W - 1)
    channel = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)[None, :]
    is_channel = channel < C
    at = features + image * H * W * C + ((top * W + left)[:, None] * C + channel)
    below_at = at + W * C
    ul = tl.load(at, mask=(has_upper & has_left)[:, None] & is_channel, other=0.0).to(tl.float32)
    ur = tl.load(at + C, mask=(has_upper & has_right)[:, None] & is_channel, other=0.0).to(tl.float32)
    ll = tl.load(below_at, mask=(has_lower & has_left)[:, None] & is_channel, other=0.0).to(tl.float32)
    lr = tl.load(below_at + C, mask=(has_lower & has_right)[:, None] & is_channel, other=0.0).to(tl.float32)
    sums = ul * ul_share[:, None] + ur * ur_share[:, None] + ll * ll_share[:, None] + lr * lr_share[:, None]
    columns += local_row.to(tl.int64) * out_w * TAPS * C
    tl.store(
        columns + (sample[:, None] * C + channel),
        sums.to(columns.dtype.element_ty),
        mask=is_there[:, None] & is_channel,
    )


@triton.jit(do_not_specialize=VARYING)
def gradient_kernel(
    features, offset, mask, to_columns, columns, to_features, to_offset, to_mask,
    first_row, tiles, H, W, out_h, out_w,
    offset_b, offset_c, offset_y, offset_x, mask_b, mask_c, mask_y, mask_x,
    C: tl.constexpr, TAPS: tl.constexpr, KERNEL_W: tl.constexpr,
    STRIDE_Y: tl.constexpr, STRIDE_X: tl.constexpr,
    PADDING_Y: tl.constexpr, PADDING_X: tl.constexpr,
    DILATION_Y: tl.constexpr, DILATION_X: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Carry the gradient of columns, (rows, out_w, T, C), back to what they were sampled from.

    Adds to `to_features` (B, H, W, C) float32, writes `to_offset` (B, out_h, out_w, T, 2) and `to_mask` (B, out_h,
    out_w, T) at these rows, and writes the columns again, which the kernel's gradient needs. grid: (rows * tiles of a
    row,).
    """
    local_row = tl.program_id(0) // tiles
    image = ((first_row + local_row) // out_h).to(tl.int64)
    out_y = (first_row + local_row) % out_h
    sample = (tl.program_id(0) % tiles) * BLOCK_N + tl.arange(0, BLOCK_N)
    out_x, tap = sample // TAPS, sample % TAPS
    is_there = out_x < out_w
    y, x = _sample_places(
        offset + image * offset_b + out_y * offset_y, out_y, out_x, tap, is_there, offset_c, offset_x, H, W,
        KERNEL_W, STRIDE_Y, STRIDE_X, PADDING_Y, PADDING_X, DILATION_Y, DILATION_X,
    )  # fmt: skip
    mask_at = mask + image * mask_b + out_y * mask_y + out_x * mask_x + tap * mask_c
    modulation = tl.load(mask_at, mask=is_there, other=0.0).to(tl.float32)
    top_edge, left_edge = tl.floor(y), tl.floor(x)
    below, right = y - top_edge, x - left_edge
    ul_share, ur_share, ll_share, lr_share = _corner_shares(below, right, modulation)
    top, left = top_edge.to(tl.int32), left_edge.to(tl.int32)
    has_upper, has_lower = is_there & (top >= 0) & (top < H), is_there & (top >= -1) & (top < H - 1)
    has_left, has_right = (left >= 0) & (left < W), (left >= -1) & (left < W - 1)
    has_ul, has_ur = has_upper & has_left, has_upper & has_right
    has_ll, has_lr = has_lower & has_left, has_lower & has_right
    features += image * H * W * C
    to_features += image * H * W * C
    cell = (top * W + left)[:, None] * C
    row_start = local_row.to(tl.int64) * out_w * TAPS * C
    column = sample[:, None] * C
    step_down = W * C
    ul_dot = tl.zeros((BLOCK_N,), tl.float32)
    ur_dot = tl.zeros((BLOCK_N,), tl.float32)
    ll_dot = tl.zeros((BLOCK_N,), tl.float32)
    lr_dot = tl.zeros((BLOCK_N,), tl.float32)
    # float32 additions move 4 channels a lane: all else is told to do so too, so that nothing changes lanes in between
    lanes = tl.max_contiguous(tl.arange(0, BLOCK_C), 4)[None, :]
    for start in range(0, C, BLOCK_C):
        channel = start + lanes
        is_channel = channel < C
        ul_mask, ur_mask = has_ul[:, None] & is_channel, has_ur[:, None] & is_channel
        ll_mask, lr_mask = has_ll[:, None] & is_channel, has_lr[:, None] & is_channel
        exists = is_there[:, None] & is_channel
        gradient = tl.load(to_columns + row_start + (column + channel), mask=exists, other=0.0).to(tl.float32)
        at = features + (cell + channel)
        ul = tl.load(at, mask=ul_mask, other=0.0).to(tl.float32)
        ur = tl.load(at + C, mask=ur_mask, other=0.0).to(tl.float32)
        ll = tl.load(at + step_down, mask=ll_mask, other=0.0).to(tl.float32)
        lr = tl.load(at + step_down + C, mask=lr_mask, other=0.0).to(tl.float32)
        sums = ul * ul_share[:, None] + ur * ur_share[:, None] + ll * ll_share[:, None] + lr * lr_share[:, None]
        tl.store(columns + row_start + (column + channel), sums.to(columns.dtype.element_ty), mask=exists)
        ul_dot += tl.sum(ul * gradient, axis=1)
        ur_dot += tl.sum(ur * gradient, axis=1)
        ll_dot += tl.sum(ll * gradient, axis=1)
        lr_dot += tl.sum(lr * gradient, axis=1)
        to = to_features + (cell + channel)
        ul_mask, ur_mask = ul_mask & (ul_share != 0)[:, None], ur_mask & (ur_share != 0)[:, None]
        ll_mask, lr_mask = ll_mask & (ll_share != 0)[:, None], lr_mask & (lr_share != 0)[:, None]
        tl.atomic_add(to, gradient * ul_share[:, None], mask=ul_mask, sem="relaxed")
        tl.atomic_add(to + C, gradient * ur_share[:, None], mask=ur_mask, sem="relaxed")
        tl.atomic_add(to + step_down, gradient * ll_share[:, None], mask=ll_mask, sem="relaxed")
        tl.atomic_add(to + step_down + C, gradient * lr_share[:, None], mask=lr_mask, sem="relaxed")
    upper = ul_dot + (ur_dot - ul_dot) * right
    lower = ll_dot + (lr_dot - ll_dot) * right
    across = (ur_dot - ul_dot) * (1 - below) + (lr_dot - ll_dot) * below
    at = ((first_row + local_row).to(tl.int64) * out_w) * TAPS + sample
    tl.store(to_mask + at, (upper + (lower - upper) * below).to(to_mask.dtype.element_ty), mask=is_there)
    tl.store(to_offset + 2 * at, (modulation * (lower - upper)).to(to_offset.dtype.element_ty), mask=is_there)
    tl.store(to_offset + 2 * at + 1, (modulation * across).to(to_offset.dtype.element_ty), mask=is_there)
