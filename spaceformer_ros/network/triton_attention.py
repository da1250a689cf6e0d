# SPDX-License-Identifier: Apache-2.0
"""The masked attention of the query decoder as one Triton kernel, for CUDA devices.

A few hundred queries fill a fraction of a GPU, so the keys are divided among programs, each with a softmax of its own,
as in flash decoding. Masks are read as they are: kernels of PyTorch need them as addends in the type of the queries.

Imported only by `kernels.use_triton`: Triton comes with torch's CUDA builds and is missing otherwise.
"""

import torch
import triton
import triton.language as tl

from .triton_launch import block_size, launch

ROW_BYTES = 128  # of one program: as many queries, and keys at a time, as values of so many bytes
WARPS, STAGES = 4, 2
PARTS = 8  # of the keys: 256 programs for 200 queries of 8 heads


def attend(query, keys, blocked):
    """As `decoder.masked_attention`, [H, Q, D]; zero for a query of which all keys are masked out.

    Parts of the keys are weighted by the sums of their exponentials (Milakov and Gimelshein 2018, arXiv 1805.02867).
    query: [H, Q, D]; keys: decoder.Keys; blocked: [M, Q] bool by voxel.
    """
    query, blocked = query.contiguous(), blocked.t().contiguous().view(torch.uint8)
    heads, count, width = query.shape
    out = query.new_empty(PARTS, heads, count, width, dtype=torch.float32)
    log_sums = query.new_empty(PARTS, heads, count, 1, dtype=torch.float32)
    tile = ROW_BYTES // query.element_size()
    sizes = {"query_block": tile, "key_block": tile, "width_block": block_size(width, 256)}
    programs = triton.cdiv(count, tile), heads, PARTS
    scalars = count, keys.key.shape[1], blocked.shape[1], width, width**-0.5, *keys.key.stride()[:2]
    operands = query, keys.key, keys.value, keys.row, blocked, out, log_sums
    launch(kernel, programs, *operands, *scalars, **sizes, num_warps=WARPS, num_stages=STAGES)
    return (out * log_sums.softmax(dim=0)).sum(dim=0).to(query.dtype)


@triton.jit(do_not_specialize=["num_queries", "num_keys", "num_voxels"])  # they differ between maps
def kernel(
    query,
    key,
    value,
    rows,
    blocked,
    out,
    log_sums,
    num_queries,
    num_keys,
    num_voxels,
    width,
    scale,
    head_stride,
    key_stride,
    query_block: tl.constexpr,
    key_block: tl.constexpr,
    width_block: tl.constexpr,
):
    """One program: query_block queries of a head and a part of the keys. key, value: [H, N, D] of the same strides;
    out: [PARTS, H, Q, D]; log_sums: log-sum-exp of logits, minus infinity where all keys of a part are masked out."""
    head, part = tl.program_id(1).to(tl.int64), tl.program_id(2)
    row, channel = tl.program_id(0) * query_block + tl.arange(0, query_block), tl.arange(0, width_block)
    row_there, channel_there = row < num_queries, channel < width
    inside = row_there[:, None] & channel_there[None, :]
    place = (head * num_queries + row)[:, None] * width + channel[None, :]
    queries = tl.load(query + place, mask=inside, other=0.0)
    key += head * head_stride
    value += head * head_stride
    peak = tl.full((query_block,), -float("inf"), tl.float32)
    total = tl.zeros((query_block,), tl.float32)
    sums = tl.zeros((query_block, width_block), tl.float32)
    length = tl.cdiv(num_keys, tl.num_programs(2))
    stop = tl.minimum(num_keys, (part + 1) * length)
    for start in range(part * length, stop, key_block):
        column = start + tl.arange(0, key_block)
        there = column < stop
        read = there[:, None] & channel_there[None, :]
        source = column.to(tl.int64)[:, None] * key_stride + channel[None, :]
        logits = tl.dot(queries, tl.trans(tl.load(key + source, mask=read, other=0.0)), input_precision="ieee") * scale
        voxel = column.to(tl.int64) if rows is None else tl.load(rows + column, mask=there, other=0)
        hidden = row.to(tl.int64)[:, None] * num_voxels + voxel[None, :]
        hidden = tl.load(blocked + hidden, mask=row_there[:, None] & there[None, :], other=1)
        logits = tl.where(hidden == 0, logits, -float("inf"))
        higher = tl.maximum(peak, tl.max(logits, axis=1))
        base = tl.where(higher == -float("inf"), 0.0, higher)  # all keys so far are masked out
        weights, shrink = tl.exp(logits - base[:, None]), tl.exp(peak - base)
        values = tl.load(value + source, mask=read, other=0.0)
        product = tl.dot(weights.to(values.dtype), values, input_precision="ieee")
        sums = sums * shrink[:, None] + product
        total, peak = total * shrink + tl.sum(weights, axis=1), higher
    some = tl.where(total > 0, total, 1.0)
    target = (part * tl.num_programs(1) + head) * num_queries + row
    place = target[:, None] * width + channel[None, :]
    tl.store(out + place, sums / some[:, None], mask=inside)
    tl.store(log_sums + target, peak + tl.log(some), mask=row_there)
