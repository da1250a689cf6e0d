# SPDX-License-Identifier: Apache-2.0
"""Attention within groups of voxels (`groups.py`)."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .groups import RANDOM_ORDER, curve_groups, group_name, space_groups
from .layers import by_rows, constant, kernels_of, piece_rows
from .rotary import rotary_table, rotate

MIN_BY_ROWS = 256  # voxels: for shorter groups PyTorch's kernel is faster than the loop of `attention_by_rows`
BY_ROWS_LOGITS = 1 << 21  # logits held at a time by `attention_by_rows`: 4 MB in bfloat16, which fits a CPU's cache


def grouped_attention(q, k, v, groups, out=None):
    """Softmax attention within groups. q, k, v: [M, H, D], rows group by group as in `groups.order` -> [M, H, D].

    out: a tensor that may be overwritten by the result where gradients are off, such as q.
    """
    if q.device.type == "cpu" and torch.is_grad_enabled():
        return padded_attention(q, k, v, groups.buckets)  # on CPUs the backward pass of the fused kernel is slow
    if has_flash_kernel(q):
        return varlen_attention(q, k, v, groups)
    out = torch.empty_like(q) if out is None else out
    sizes = [length * count for length, count in groups.runs]
    for (length, count), *parts in zip(groups.runs, *(t.split(sizes) for t in (q, k, v, out))):
        # [M', H, D] -> [count, H, length, D]
        attention(*(part.unflatten(0, (count, length)).transpose(1, 2) for part in parts))
    return out


def attention(q, k, v, out):
    """Softmax attention into `out`, which may be q. q: [..., H, Q, D]; k, v: [..., H, N, D]."""
    if q.device.type == "cpu" and q.dtype == torch.bfloat16 and k.shape[-2] >= MIN_BY_ROWS:
        return attention_by_rows(q, k, v, out)
    return out.copy_(F.scaled_dot_product_attention(q, k, v))


def attention_by_rows(q, k, v, out):
    """As `attention`, in matrix products of blocks of queries with all keys; the logits of a block fit the cache.

    For bfloat16 on CPUs, where PyTorch's fused kernel is far slower than its matrix products (docs/performance.md).
    The softmax is computed in float32 on logits rounded to bfloat16.
    """
    rows = max(64, BY_ROWS_LOGITS // k.shape[-2])
    for head in np.ndindex(q.shape[:-2]):
        queries, keys, values = q[head] * q.shape[-1] ** -0.5, k[head].contiguous().t(), v[head].contiguous()
        for start in range(0, len(queries), rows):
            part = slice(start, start + rows)
            out[head][part] = (queries[part] @ keys).softmax(dim=-1) @ values
    return out


def has_flash_kernel(q):
    """Whether PyTorch's flash attention supports q [..., D]: half precision, CUDA on Ampere or newer, head width D."""
    if q.device.type != "cuda" or q.dtype not in (torch.float16, torch.bfloat16):
        return False
    fits = q.shape[-1] % 8 == 0 and q.shape[-1] <= 256  # head widths the kernel is compiled for
    built = torch.backends.cuda.is_flash_attention_available()
    return fits and built and torch.cuda.get_device_capability(q.device) >= (8, 0)


def varlen_attention(q, k, v, groups):
    """All groups in one kernel. q, k, v: [M, H, D] in half precision -> [M, H, D]."""
    ends, longest = groups.cumulative, max(length for length, _ in groups.runs)
    return torch.ops.aten._flash_attention_forward(q, k, v, ends, ends, longest, longest, 0.0, False, False)[0]


def padded_attention(q, k, v, buckets):
    """As `grouped_attention`, in matrix products over padded groups of similar length (`Groups.buckets`)."""
    rows, outputs = [], []
    for index, padding in buckets:
        # [M, H, D] -> [G, H, L, D]
        parts = [t.index_select(0, index.flatten()).unflatten(0, index.shape).transpose(1, 2) for t in (q, k, v)]
        bias = torch.zeros(padding.shape, dtype=q.dtype, device=q.device).masked_fill_(padding, -torch.inf)
        logits = (parts[0] * q.shape[-1] ** -0.5) @ parts[1].transpose(2, 3) + bias[:, None, None]
        attended = (logits.softmax(dim=-1) @ parts[2]).transpose(1, 2).flatten(0, 1)
        rows.append(index[~padding])
        outputs.append(attended[~padding.flatten()])
    return torch.empty_like(q).index_copy(0, torch.cat(rows), torch.cat(outputs))


class BatchedLinear(nn.Module):
    """Query, key and value projections in one parameter, weight [3, C_in, C_out] (nn.Linear has [out, in])."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(3, channels, channels))
        self.bias = nn.Parameter(torch.zeros(3 * channels))
        for weight in self.weight.data:
            nn.init.xavier_uniform_(weight)

    def forward(self, x):
        """x: [M, C] -> [M, 3, C]."""
        return F.linear(x, self.matrix(), self.bias).unflatten(1, (3, -1))

    def matrix(self):
        """The weight as nn.Linear has it, [3 * C_out, C_in]."""
        return constant(self, "matrix", lambda: self.weight.transpose(1, 2).flatten(0, 1))


class GroupedAttention(nn.Module):
    """Multi-head attention of one block: `kind` is "curve" (size = voxels per patch) or "space" (voxels per side)."""

    kernels = None  # see `kernels_of`

    def __init__(self, channels, heads, kind, size, rope_base):
        super().__init__()
        self.heads, self.kind, self.size, self.rope_base = heads, kind, size, rope_base
        self.qkv = BatchedLinear(channels)
        self.proj = nn.Linear(channels, channels)

    def groups(self, level, order, generator):
        """Groups of this block's kind for a block order, cached by the level."""
        if order == RANDOM_ORDER:  # a new permutation for every block
            return curve_groups(level, [order], self.size, generator)[0]
        make = space_groups if self.kind == "space" else curve_groups
        return level.cached(group_name(self.kind, order, self.size), lambda: make(level, [order], self.size)[0])

    def forward(self, x, level, order, core_dtype=None, generator=None):
        """x + attention of x, in place where gradients are off. x: [M, C].

        core_dtype: round queries, keys, values and the result to this type while computing in the type of x, as the
        published model does with float16 (flash attention); None for no rounding.
        """
        groups = self.groups(level, order, generator)
        table = self.rotary(level, x.shape[1] // self.heads)
        if torch.is_grad_enabled():
            parts = [self.project_back(self.attend(x, level, table, piece, core_dtype)) for piece in groups.pieces]
            return torch.empty_like(x).index_copy(0, groups.order, torch.cat(parts)) + x
        for piece in groups.pieces:  # pieces share no voxels, so x can be updated in place
            self.add_back(x, piece.order, self.attend(x, level, table, piece, core_dtype))
        return x

    def rotary(self, level, head_dim):
        """`rotary_table` of the coordinates 1, 2, ... of a level; it serves all levels of at most this extent."""
        name = "rotary", head_dim, self.rope_base
        if name not in level.shared or len(level.shared[name]) < level.extent:
            coords = torch.arange(1, level.extent + 1, device=level.key.device)[:, None]
            level.shared[name] = rotary_table(coords, head_dim, self.rope_base)
        return level.shared[name]

    def attend(self, x, level, table, groups, core_dtype):
        """Attention of the voxels in `groups.order`, in that order, [M, H, D].

        x: [M, C]
        table: `rotary_table` of the coordinates 1, 2, ...
        groups: Groups
        core_dtype: as in `forward`
        """

        def project(rows):
            return round_to(self.project(x, rows, level.local_coords, table), core_dtype)

        q, k, v = by_rows(project, groups.order, rows=piece_rows(x)).unbind(1)
        return round_to(grouped_attention(q, k, v, groups, out=q), core_dtype)

    def project(self, x, rows, coords, table):
        """Queries, keys and values of some voxels, [P, 3, H, D]; queries and keys are rotated.

        x: [M, C]; rows: [P] int64 of x; coords: [M, 3] int64 rows of `table`, which is as in `attend`.
        """
        if kernels := kernels_of(self):
            shape = 3, self.heads, x.shape[1] // self.heads
            return kernels.project_rotated(x, rows, self.qkv.matrix(), self.qkv.bias, table, coords, shape, rotated=2)
        angles = table.index_select(0, coords.index_select(0, rows).flatten()).view(len(rows), -1)
        qkv = self.qkv(x.index_select(0, rows)).unflatten(2, (self.heads, -1))
        rotated = rotate(qkv[:, :2], angles)
        return torch.cat([rotated, qkv[:, 2:]], dim=1) if torch.is_grad_enabled() else qkv

    def add_back(self, x, order, attended):
        """Add the projected attention to x in place. order: [M] int64 rows of x; attended: [M, H, D]. Returns x."""
        if kernels := kernels_of(self):
            return kernels.add_product(x, attended.flatten(1), self.proj.weight, self.proj.bias, order)
        for rows, part in zip(order.split(piece_rows(x)), attended.split(piece_rows(x))):
            x.index_add_(0, rows, self.project_back(part))
        return x

    def project_back(self, attended):
        """[M, H, D] -> [M, C]."""
        return self.proj(attended.flatten(1))


def round_to(x, dtype):
    """x with its values rounded to `dtype`, still in its own type; unchanged for None."""
    return x if dtype is None else x.to(dtype).to(x.dtype)
