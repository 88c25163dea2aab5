"""Triton kernels of the deformable convolution: sampling, and its backward pass.

Importing this module imports triton; `cuda` imports it for the first tensor on a GPU.

A program processes `BLOCK_N` samples of one output row; a sample is one tap of one point. Neighbouring lanes hold
neighbouring channels, so that memory accesses are coalesced in channels-last maps. Coordinates, weights and sums are
float32, whatever the dtype of the maps.

Legend: B images, C channels, H W map size, T taps of the kernel, N samples.
"""

# mypy: ignore-errors
# (Triton has the syntax of Python, but types of its own.)

import triton
import triton.language as tl

VARYING = (  # arguments that the kernels are not specialised for
    "first_row", "tiles", "H", "W", "out_h", "out_w",
    "offset_b", "offset_c", "offset_y", "offset_x", "mask_b", "mask_c", "mask_y", "mask_x",
)  # fmt: skip


@triton.jit
def _locate_samples(
    offset, mask, row, first_sample, H, W, out_h, out_w,
    offset_b, offset_c, offset_y, offset_x, mask_b, mask_c, mask_y, mask_x,
    TAPS: tl.constexpr, KERNEL_W: tl.constexpr,
    STRIDE_Y: tl.constexpr, STRIDE_X: tl.constexpr,
    PADDING_Y: tl.constexpr, PADDING_X: tl.constexpr,
    DILATION_Y: tl.constexpr, DILATION_X: tl.constexpr,
    BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Image of an output row and, of its samples from `first_sample`: index, validity, y, x and modulation, (N,).

    Positions farther than two cells outside the map, where all pixels are zero, are clamped to there.
    """
    image = (row // out_h).to(tl.int64)
    out_y = row % out_h
    sample = first_sample + tl.arange(0, BLOCK_N)
    out_x, tap = sample // TAPS, sample % TAPS
    is_valid = out_x < out_w
    at = offset + image * offset_b + out_y * offset_y + out_x * offset_x + 2 * tap * offset_c
    grid_y = out_y * STRIDE_Y - PADDING_Y + (tap // KERNEL_W) * DILATION_Y
    grid_x = out_x * STRIDE_X - PADDING_X + (tap % KERNEL_W) * DILATION_X
    y = grid_y.to(tl.float32) + tl.load(at, mask=is_valid, other=0.0).to(tl.float32)
    x = grid_x.to(tl.float32) + tl.load(at + offset_c, mask=is_valid, other=0.0).to(tl.float32)
    y = tl.where(y < -2.0, -2.0, tl.where(y > H, H.to(tl.float32), y))  # NaN stays NaN
    x = tl.where(x < -2.0, -2.0, tl.where(x > W, W.to(tl.float32), x))
    mask_at = mask + image * mask_b + out_y * mask_y + out_x * mask_x + tap * mask_c
    modulation = tl.load(mask_at, mask=is_valid, other=0.0).to(tl.float32)
    return image, sample, is_valid, y, x, modulation


@triton.jit
def _bilinear_corners(y, x, modulation, is_valid, H, W):
    """(N,) upper left cell, distances to it, and weight and validity of the four pixels: ul, ur, ll, lr."""
    top_edge, left_edge = tl.floor(y), tl.floor(x)
    frac_y, frac_x = y - top_edge, x - left_edge
    lower = modulation * frac_y
    upper = modulation - lower
    ur_weight = upper * frac_x
    lr_weight = lower * frac_x
    weights = upper - ur_weight, ur_weight, lower - lr_weight, lr_weight
    top, left = top_edge.to(tl.int32), left_edge.to(tl.int32)
    has_upper, has_lower = is_valid & (top >= 0) & (top < H), is_valid & (top >= -1) & (top < H - 1)
    has_left, has_right = (left >= 0) & (left < W), (left >= -1) & (left < W - 1)
    valid = has_upper & has_left, has_upper & has_right, has_lower & has_left, has_lower & has_right
    return top * W + left, frac_y, frac_x, weights, valid


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
    """Write columns (rows, out_w, T, C): the modulated samples of output rows from `first_row`.

    features: (B, H, W, C); grid: (rows * tiles per row, blocks of channels).
    """
    local_row = tl.program_id(0) // tiles
    image, sample, is_valid, y, x, modulation = _locate_samples(
        offset, mask, first_row + local_row, (tl.program_id(0) % tiles) * BLOCK_N, H, W, out_h, out_w,
        offset_b, offset_c, offset_y, offset_x, mask_b, mask_c, mask_y, mask_x,
        TAPS, KERNEL_W, STRIDE_Y, STRIDE_X, PADDING_Y, PADDING_X, DILATION_Y, DILATION_X, BLOCK_N,
    )  # fmt: skip
    cell, _, _, weights, valid = _bilinear_corners(y, x, modulation, is_valid, H, W)
    ul_weight, ur_weight, ll_weight, lr_weight = weights
    has_ul, has_ur, has_ll, has_lr = valid
    channel = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)[None, :]
    is_channel = channel < C
    at = features + image * H * W * C + (cell[:, None] * C + channel)
    below_at = at + W * C
    ul = tl.load(at, mask=has_ul[:, None] & is_channel, other=0.0).to(tl.float32)
    ur = tl.load(at + C, mask=has_ur[:, None] & is_channel, other=0.0).to(tl.float32)
    ll = tl.load(below_at, mask=has_ll[:, None] & is_channel, other=0.0).to(tl.float32)
    lr = tl.load(below_at + C, mask=has_lr[:, None] & is_channel, other=0.0).to(tl.float32)
    sums = ul * ul_weight[:, None] + ur * ur_weight[:, None] + ll * ll_weight[:, None] + lr * lr_weight[:, None]
    columns += local_row.to(tl.int64) * out_w * TAPS * C
    tl.store(
        columns + (sample[:, None] * C + channel),
        sums.to(columns.dtype.element_ty),
        mask=is_valid[:, None] & is_channel,
    )


@triton.jit(do_not_specialize=VARYING)
def gradient_kernel(
    features, offset, mask, grad_columns, columns, grad_features, grad_offset, grad_mask,
    first_row, tiles, H, W, out_h, out_w,
    offset_b, offset_c, offset_y, offset_x, mask_b, mask_c, mask_y, mask_x,
    C: tl.constexpr, TAPS: tl.constexpr, KERNEL_W: tl.constexpr,
    STRIDE_Y: tl.constexpr, STRIDE_X: tl.constexpr,
    PADDING_Y: tl.constexpr, PADDING_X: tl.constexpr,
    DILATION_Y: tl.constexpr, DILATION_X: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Compute the gradients of features, offset and mask from that of the columns, (rows, out_w, T, C).

    Adds to `grad_features` (B, H, W, C) float32; writes `grad_offset` (B, out_h, out_w, T, 2) and `grad_mask`
    (B, out_h, out_w, T) at these rows, and the columns for the kernel's gradient. grid: (rows * tiles per row,).
    """
    local_row = tl.program_id(0) // tiles
    image, sample, is_valid, y, x, modulation = _locate_samples(
        offset, mask, first_row + local_row, (tl.program_id(0) % tiles) * BLOCK_N, H, W, out_h, out_w,
        offset_b, offset_c, offset_y, offset_x, mask_b, mask_c, mask_y, mask_x,
        TAPS, KERNEL_W, STRIDE_Y, STRIDE_X, PADDING_Y, PADDING_X, DILATION_Y, DILATION_X, BLOCK_N,
    )  # fmt: skip
    cell, frac_y, frac_x, weights, valid = _bilinear_corners(y, x, modulation, is_valid, H, W)
    ul_weight, ur_weight, ll_weight, lr_weight = weights
    has_ul, has_ur, has_ll, has_lr = valid
    features += image * H * W * C
    grad_features += image * H * W * C
    pixel = cell[:, None] * C
    row_start = local_row.to(tl.int64) * out_w * TAPS * C
    column = sample[:, None] * C
    step_down = W * C
    ul_dot = tl.zeros((BLOCK_N,), tl.float32)
    ur_dot = tl.zeros((BLOCK_N,), tl.float32)
    ll_dot = tl.zeros((BLOCK_N,), tl.float32)
    lr_dot = tl.zeros((BLOCK_N,), tl.float32)
    # float32 atomics handle 4 channels per lane; the hint gives all accesses the same layout, without conversions
    lanes = tl.max_contiguous(tl.arange(0, BLOCK_C), 4)[None, :]
    for start in range(0, C, BLOCK_C):
        channel = start + lanes
        is_channel = channel < C
        ul_mask, ur_mask = has_ul[:, None] & is_channel, has_ur[:, None] & is_channel
        ll_mask, lr_mask = has_ll[:, None] & is_channel, has_lr[:, None] & is_channel
        is_stored = is_valid[:, None] & is_channel
        gradient = tl.load(grad_columns + row_start + (column + channel), mask=is_stored, other=0.0).to(tl.float32)
        at = features + (pixel + channel)
        ul = tl.load(at, mask=ul_mask, other=0.0).to(tl.float32)
        ur = tl.load(at + C, mask=ur_mask, other=0.0).to(tl.float32)
        ll = tl.load(at + step_down, mask=ll_mask, other=0.0).to(tl.float32)
        lr = tl.load(at + step_down + C, mask=lr_mask, other=0.0).to(tl.float32)
        sums = ul * ul_weight[:, None] + ur * ur_weight[:, None] + ll * ll_weight[:, None] + lr * lr_weight[:, None]
        tl.store(columns + row_start + (column + channel), sums.to(columns.dtype.element_ty), mask=is_stored)
        ul_dot += tl.sum(ul * gradient, axis=1)
        ur_dot += tl.sum(ur * gradient, axis=1)
        ll_dot += tl.sum(ll * gradient, axis=1)
        lr_dot += tl.sum(lr * gradient, axis=1)
        to = grad_features + (pixel + channel)
        ul_mask, ur_mask = ul_mask & (ul_weight != 0)[:, None], ur_mask & (ur_weight != 0)[:, None]
        ll_mask, lr_mask = ll_mask & (ll_weight != 0)[:, None], lr_mask & (lr_weight != 0)[:, None]
        tl.atomic_add(to, gradient * ul_weight[:, None], mask=ul_mask, sem="relaxed")
        tl.atomic_add(to + C, gradient * ur_weight[:, None], mask=ur_mask, sem="relaxed")
        tl.atomic_add(to + step_down, gradient * ll_weight[:, None], mask=ll_mask, sem="relaxed")
        tl.atomic_add(to + step_down + C, gradient * lr_weight[:, None], mask=lr_mask, sem="relaxed")
    upper = ul_dot + (ur_dot - ul_dot) * frac_x
    lower = ll_dot + (lr_dot - ll_dot) * frac_x
    horizontal = (ur_dot - ul_dot) * (1 - frac_y) + (lr_dot - ll_dot) * frac_y
    at = ((first_row + local_row).to(tl.int64) * out_w) * TAPS + sample
    tl.store(grad_mask + at, (upper + (lower - upper) * frac_y).to(grad_mask.dtype.element_ty), mask=is_valid)
    tl.store(grad_offset + 2 * at, (modulation * (lower - upper)).to(grad_offset.dtype.element_ty), mask=is_valid)
    tl.store(grad_offset + 2 * at + 1, (modulation * horizontal).to(grad_offset.dtype.element_ty), mask=is_valid)
