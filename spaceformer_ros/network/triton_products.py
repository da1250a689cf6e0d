# SPDX-License-Identifier: Apache-2.0
"""Matrix products of the network with the steps around them, each as one Triton kernel, for CUDA devices.

What is between the steps stays in registers; the modules of the network have the same arithmetic in plain PyTorch.
Imported only by `kernels.use_triton`: Triton comes with torch's CUDA builds and is missing otherwise. All tensors are
float32, float16 or bfloat16, without gradients; sums are float32, in an order that depends on the widths only.
"""

import torch
import triton
import triton.language as tl

from .triton_launch import launch, tile_options

NORM_VALUES = 2048  # values of one program of `normalise_sum`


def project_rotated(x, rows, weight, bias, table, coords, shape, rotated):
    """F.linear(x[rows], weight, bias) with a rotary encoding of the first `rotated` parts of a row, [P, *shape].

    x: [M, C_in]
    rows: [P] int64, None for all
    weight: [C_out, C_in]; bias: [C_out]
    table: complex64 of `rotary_table`: [E, F] for single coordinates, of which each pair takes that of its axis; or
        [M, 3 * F] for all of a row, without coords
    coords: [M, 3] int64, rows of the table
    shape: (parts, H, D) of a row of the result; F = D // 6
    rotated: number of parts
    """
    x, weight, table = x.contiguous(), weight.contiguous(), torch.view_as_real(table).contiguous()
    coords = None if coords is None else coords.contiguous()
    out = x.new_empty(len(x) if rows is None else len(rows), *shape)
    _, heads, head_width = shape
    options = tile_options(x, len(weight))
    arguments = rows, weight, bias, table, coords, out, len(out), x.shape[1], len(weight)
    widths = rotated * heads * head_width, head_width, head_width // 6
    launch(project_kernel, _programs(len(out), weight, options), x, *arguments, *widths, **options)
    return out


def add_product(total, x, weight, bias=None, rows=None):
    """total[rows] += F.linear(x, weight, bias), in place. Returns total.

    total: [M, C_out], contiguous; x: [P, C_in]; weight: [C_out, C_in]; rows: [P] int64 without repetition, None for
    all.
    """
    x, weight, options = x.contiguous(), weight.contiguous(), tile_options(x, len(weight))
    arguments = rows, weight, bias, total, len(x), x.shape[1], len(weight)
    launch(add_kernel, _programs(len(x), weight, options), x, *arguments, **options)
    return total


def gated_product(x, weight, gated):
    """silu(x @ weight.T) * (x @ gated.T), [M, C_out]. x: [M, C_in]; weight, gated: [C_out, C_in]."""
    x, weight, gated = x.contiguous(), weight.contiguous(), gated.contiguous()
    out, options = x.new_empty(len(x), len(weight)), tile_options(x, len(weight), columns=64)  # two sums in registers
    arguments = weight, gated, out, len(x), x.shape[1], len(weight)
    launch(gate_kernel, _programs(len(x), weight, options), x, *arguments, **options)
    return out


def normalise_sum(x, total, inner, outer):
    """outer(inner(x) + total) into total, for two nn.LayerNorm. x: [M, C]; total: [M, C], contiguous. Returns total."""
    x, channels = x.contiguous(), x.shape[1]
    block = triton.next_power_of_2(channels)
    rows = max(1, NORM_VALUES // block)
    parameters = inner.weight, inner.bias, outer.weight, outer.bias, inner.eps, outer.eps
    sizes = {"row_block": rows, "channel_block": block}
    launch(norm_kernel, (triton.cdiv(len(x), rows),), x, total, *parameters, len(x), channels, **sizes, num_warps=4)
    return total


def _programs(rows, weight, options):
    """Programs of a product, in one dimension, which has no low limit."""
    return (triton.cdiv(rows, options["row_block"]) * triton.cdiv(len(weight), options["column_block"]),)


@triton.jit(do_not_specialize=["num_rows"])  # it differs between maps
def project_kernel(
    x,
    rows,
    weight,
    bias,
    table,
    coords,
    out,
    num_rows,
    in_channels,
    out_channels,
    rotated_channels,
    head_width,
    frequencies,
    row_block: tl.constexpr,
    column_block: tl.constexpr,
    channel_block: tl.constexpr,
):
    row, column = _tile(out_channels, row_block, column_block)
    there = row < num_rows
    source = _source(rows, row, there)
    sums, _ = _products(x, source, there, weight, None, column, in_channels, out_channels, channel_block)
    sums += tl.load(bias + column, mask=column < out_channels, other=0.0).to(tl.float32)[None, :]

    # channels 2r and 2r + 1 of a head are rotated together
    pair = tl.min(column, axis=0) // 2 + tl.arange(0, column_block // 2)
    within = pair % (head_width // 2)
    axis, frequency = within // frequencies, within % frequencies
    turns = there[:, None] & ((2 * pair < rotated_channels) & (axis < 3))[None, :]
    if coords is None:
        place = (source[:, None] * 3 + axis[None, :]) * frequencies + frequency[None, :]
    else:
        place = tl.load(coords + source[:, None] * 3 + axis[None, :], mask=turns, other=0)
        place = place * frequencies + frequency[None, :]
    cos = tl.load(table + 2 * place, mask=turns, other=1.0)
    sin = tl.load(table + 2 * place + 1, mask=turns, other=0.0)
    real, imaginary = tl.split(tl.reshape(sums, (row_block, column_block // 2, 2)))
    turned = tl.join(real * cos - imaginary * sin, real * sin + imaginary * cos)
    sums = tl.reshape(turned, (row_block, column_block))

    place = row.to(tl.int64)[:, None] * out_channels + column[None, :]
    tl.store(out + place, sums.to(out.dtype.element_ty), mask=there[:, None] & (column < out_channels)[None, :])


@triton.jit(do_not_specialize=["num_rows"])
def add_kernel(
    x,
    rows,
    weight,
    bias,
    total,
    num_rows,
    in_channels,
    out_channels,
    row_block: tl.constexpr,
    column_block: tl.constexpr,
    channel_block: tl.constexpr,
):
    row, column = _tile(out_channels, row_block, column_block)
    there = row < num_rows
    source = row.to(tl.int64)
    sums, _ = _products(x, source, there, weight, None, column, in_channels, out_channels, channel_block)
    if bias is not None:
        sums += tl.load(bias + column, mask=column < out_channels, other=0.0).to(tl.float32)[None, :]
    place = total + _source(rows, row, there)[:, None] * out_channels + column[None, :]
    inside = there[:, None] & (column < out_channels)[None, :]
    sums += tl.load(place, mask=inside, other=0.0).to(tl.float32)
    tl.store(place, sums.to(total.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["num_rows"])
def gate_kernel(
    x,
    weight,
    gated,
    out,
    num_rows,
    in_channels,
    out_channels,
    row_block: tl.constexpr,
    column_block: tl.constexpr,
    channel_block: tl.constexpr,
):
    row, column = _tile(out_channels, row_block, column_block)
    there = row < num_rows
    source = row.to(tl.int64)
    gate, sums = _products(x, source, there, weight, gated, column, in_channels, out_channels, channel_block)
    sums *= gate * tl.sigmoid(gate)
    place = source[:, None] * out_channels + column[None, :]
    tl.store(out + place, sums.to(out.dtype.element_ty), mask=there[:, None] & (column < out_channels)[None, :])


@triton.jit(do_not_specialize=["num_rows"])
def norm_kernel(
    x,
    total,
    inner_weight,
    inner_bias,
    outer_weight,
    outer_bias,
    inner_eps,
    outer_eps,
    num_rows,
    channels,
    row_block: tl.constexpr,
    channel_block: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64) * row_block + tl.arange(0, row_block)
    channel = tl.arange(0, channel_block)
    place = row[:, None] * channels + channel[None, :]
    inside = (row < num_rows)[:, None] & (channel < channels)[None, :]
    values = tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
    values = _normalised(values, inner_weight, inner_bias, inner_eps, inside, channel, channels)
    values += tl.load(total + place, mask=inside, other=0.0).to(tl.float32)
    values = _normalised(values, outer_weight, outer_bias, outer_eps, inside, channel, channels)
    tl.store(total + place, values.to(total.dtype.element_ty), mask=inside)


@triton.jit
def _normalised(values, weight, bias, eps, inside, channel, channels):
    """Layer norm of rows; what is not inside is and stays zero."""
    centred = tl.where(inside, values - tl.sum(values, axis=1)[:, None] / channels, 0.0)
    variance = tl.sum(centred * centred, axis=1)[:, None] / channels
    scale = tl.load(weight + channel, mask=channel < channels, other=0.0).to(tl.float32)[None, :]
    shift = tl.load(bias + channel, mask=channel < channels, other=0.0).to(tl.float32)[None, :]
    return tl.where(inside, centred * tl.rsqrt(variance + eps) * scale + shift, 0.0)


@triton.jit
def _tile(num_columns, row_block: tl.constexpr, column_block: tl.constexpr):
    """Rows and columns of a program. Programs of the same rows follow each other, so that these stay in the cache."""
    tiles = tl.cdiv(num_columns, column_block)
    row = tl.program_id(0) // tiles * row_block + tl.arange(0, row_block)
    return row, tl.program_id(0) % tiles * column_block + tl.arange(0, column_block)


@triton.jit
def _source(rows, row, there):
    """The int64 rows at some places of a list, None for the places themselves."""
    if rows is None:
        return row.to(tl.int64)
    return tl.load(rows + row, mask=there, other=0)


@triton.jit
def _products(x, source, there, weight, other, column, in_channels, out_channels, channel_block: tl.constexpr):
    """Rows of x times columns of weight.T, and of other.T unless it is None: two [row_block, column_block] float32."""
    sums = tl.zeros((source.shape[0], column.shape[0]), tl.float32)
    other_sums = sums
    for start in range(0, in_channels, channel_block):
        channel = start + tl.arange(0, channel_block)
        read = _rows(x, source, there, channel, in_channels)
        sums = tl.dot(read, _matrix(weight, channel, column, in_channels, out_channels), sums, input_precision="ieee")
        if other is not None:
            matrix = _matrix(other, channel, column, in_channels, out_channels)
            other_sums = tl.dot(read, matrix, other_sums, input_precision="ieee")
    return sums, other_sums


@triton.jit
def _rows(x, source, there, channel, channels):
    """Some channels of some rows of x, [row_block, channel_block]."""
    inside = there[:, None] & (channel < channels)[None, :]
    return tl.load(x + source[:, None] * channels + channel[None, :], mask=inside, other=0.0)


@triton.jit
def _matrix(weight, channel, column, in_channels, out_channels):
    """Part of weight.T, [channel_block, column_block]."""
    inside = (channel < in_channels)[:, None] & (column < out_channels)[None, :]
    return tl.load(weight + column[None, :] * in_channels + channel[:, None], mask=inside, other=0.0)
