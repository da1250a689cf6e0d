# SPDX-License-Identifier: Apache-2.0
"""The submanifold sparse convolution as one Triton kernel, for CUDA devices: gathered rows are never stored.

Imported only by `kernels.use_triton`: Triton comes with torch's CUDA builds and is missing otherwise.
"""

import triton
import triton.language as tl

from .triton_launch import launch, tile_options


def convolve(x, weight, bias, table, order=None):
    """out[order[q]] = bias + sum_k x[table[k, q]] @ weight[k] over the entries below M, without gradients.

    x: [M, C_in] and weight: [K, C_in, C_out], both float32, float16 or bfloat16; bias: [C_out]; table: [K, M] int32;
    order: [M] int32, None for the rows as they are.
    Returns [M, C_out] in the type of x. Sums are float32, in an order that depends on the widths only, so that equal
    input gives equal output.
    """
    x, weight = x.contiguous(), weight.contiguous()
    out, options = x.new_empty(len(x), weight.shape[2]), tile_options(x, weight.shape[2])
    programs = triton.cdiv(len(x), options["row_block"]), triton.cdiv(weight.shape[2], options["column_block"])
    launch(kernel, programs, x, weight, bias, table, order, out, len(x), table.stride(0), *weight.shape, **options)
    return out


@triton.jit(do_not_specialize=["num_rows", "table_stride"])  # they differ between maps
def kernel(
    x,
    weight,
    bias,
    table,
    order,
    out,
    num_rows,
    table_stride,
    num_offsets,
    in_channels,
    out_channels,
    row_block: tl.constexpr,
    column_block: tl.constexpr,
    channel_block: tl.constexpr,
):
    """One program: row_block rows by column_block columns of `out`; missing neighbours read as zero."""
    row = tl.program_id(0) * row_block + tl.arange(0, row_block)
    column = tl.program_id(1) * column_block + tl.arange(0, column_block)
    sums = tl.zeros((row_block, column_block), tl.float32)
    neighbours = table + row
    for k in range(num_offsets):
        source = tl.load(neighbours, mask=row < num_rows, other=num_rows)
        neighbours += table_stride
        if tl.min(source, axis=0) < num_rows:  # at least one of these rows has a neighbour at this offset
            start = source.to(tl.int64)[:, None] * in_channels  # exceeds 32 bits on large maps
            for c in range(0, in_channels, channel_block):
                channel = c + tl.arange(0, channel_block)
                there = (source < num_rows)[:, None] & (channel < in_channels)[None, :]
                gathered = tl.load(x + start + channel[None, :], mask=there, other=0.0)
                place = (k * in_channels + channel)[:, None] * out_channels + column[None, :]
                inside = (channel < in_channels)[:, None] & (column < out_channels)[None, :]
                matrix = tl.load(weight + place, mask=inside, other=0.0)
                sums = tl.dot(gathered, matrix, sums, input_precision="ieee")
    sums += tl.load(bias + column, mask=column < out_channels, other=0.0).to(tl.float32)[None, :]
    target = row if order is None else tl.load(order + row, mask=row < num_rows, other=0)
    place = target.to(tl.int64)[:, None] * out_channels + column[None, :]
    inside = (row < num_rows)[:, None] & (column < out_channels)[None, :]
    tl.store(out + place, sums.to(out.dtype.element_ty), mask=inside)
