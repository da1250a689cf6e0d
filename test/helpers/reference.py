# SPDX-License-Identifier: Apache-2.0
"""Slow, readable reference implementations, and the golden weights."""

import zlib

import torch
import torch.nn.functional as F


def dense_convolution(coords, features, weight, bias):
    """A submanifold sparse convolution through torch's dense conv3d. coords: [M, 3] int; weight: [K, C_in, C_out]."""
    size = round(len(weight) ** (1 / 3))
    low = coords.amin(dim=0)
    shape = (coords.amax(dim=0) - low + 1).tolist()
    grid = torch.zeros(1, features.shape[1], *shape, dtype=features.dtype)
    x, y, z = (coords - low).unbind(1)
    grid[0, :, x, y, z] = features.t()
    kernel = weight.reshape(size, size, size, *weight.shape[1:]).permute(4, 3, 0, 1, 2)
    return torch.nn.functional.conv3d(grid, kernel, bias, padding=size // 2)[0, :, x, y, z].t()


def morton(x, y, z):
    """Interleaved bits of three integers, x in the least significant bit."""
    return sum(((v >> bit) & 1) << (3 * bit + shift) for bit in range(20) for shift, v in enumerate((x, y, z)))


def plain_attention(query, key, value, blocked):
    """Softmax attention with all logits at once. query: [H, Q, D]; key, value: [H, N, D]; blocked: [N, Q]."""
    logits = query @ key.transpose(1, 2) / query.shape[-1] ** 0.5
    return logits.masked_fill(blocked.t(), -torch.inf).softmax(dim=-1) @ value


def golden_value(key, shape):
    """One tensor of the golden weights: a function of its state-dict key alone, so that no weight file is needed."""
    generator = torch.Generator().manual_seed(zlib.crc32(key.encode()))
    shape = tuple(shape)
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    r = torch.randn(shape, generator=generator)
    if key.endswith("running_var"):
        return 0.5 + r.abs()
    if key.endswith("running_mean"):
        return 0.2 * r
    if key.startswith("learned_") or key == "pos_enc.gauss_B":
        return r
    if len(shape) == 1:  # every 1-D ".weight" is a norm scale, the rest are biases
        return 1 + 0.1 * r if key.endswith(".weight") else 0.1 * r
    if len(shape) == 3 and "qkv" in key:  # [3, in, out]
        fan_in = shape[1]
    elif len(shape) == 3:  # sparse convolution [K, in, out], about 8 active neighbours
        fan_in = shape[1] * 8
    else:  # [out, in]
        fan_in = shape[1]
    return r / fan_in**0.5


def convolve_by_table(x, weight, bias, table, order=None):
    """What the kernel computes, from the same table: row M is a row of zeros."""
    x = F.pad(x, (0, 0, 0, 1))
    out = sum(x[rows.long()] @ matrix for rows, matrix in zip(table, weight)) + bias
    return out if order is None else torch.empty_like(out).index_copy(0, order.long(), out)
