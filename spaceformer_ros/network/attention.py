# SPDX-License-Identifier: Apache-2.0
"""Attention within groups of voxels: patches along a space-filling curve, or cubic windows.

A block order names the curve or the window offset of one block. Groups depend only on the level and the order: they
are computed once per forward pass and shared by all blocks (`Level.cached`).
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .. import SpaceformerError
from .layers import by_rows, piece_rows, rotary_table, rotate

CURVE_ORDERS = ("morton_xyz", "morton_xzy", "morton_yxz", "morton_yzx", "morton_zxy", "morton_zyx")
SPACE_ORDERS = ("zero", "xy", "xz", "yz", "xyz")
RANDOM_ORDER = "random"  # patches of a random permutation; not among the default orders
MORTON_BITS = 20
# Queries, keys and values are computed for about this many voxels at a time, by device type, to bound memory.
GROUP_ROWS = {"cpu": 4096}
GROUP_ROWS_DEFAULT = 1 << 17
MAX_GROUPS = 65_535  # in one call: the limit of the y dimension of a CUDA grid
MIN_BY_ROWS = 256  # voxels: for shorter groups PyTorch's kernel is faster than the loop of `attention_by_rows`
BY_ROWS_LOGITS = 1 << 21  # logits held at a time by `attention_by_rows`: 4 MB in bfloat16, which fits a CPU's cache


@dataclass(frozen=True)
class Groups:
    """A partition of a level's voxels.

    order: [M] int64 rows of the voxels, group by group; runs: ((length, count), ...): `count` groups of `length` voxels
    follow each other.
    """

    order: torch.Tensor
    runs: tuple

    @cached_property
    def pieces(self):
        """The same groups in order, as a list of Groups of about GROUP_ROWS voxels, at most MAX_GROUPS groups each."""
        limit = GROUP_ROWS.get(self.order.device.type, GROUP_ROWS_DEFAULT)
        parts, size = [[]], 0
        for length in (length for length, count in self.runs for _ in range(count)):
            if parts[-1] and (size + length > limit or len(parts[-1]) == MAX_GROUPS):
                parts.append([])
                size = 0
            parts[-1].append(length)
            size += length
        orders = self.order.split([sum(lengths) for lengths in parts])
        return [Groups(order, _runs(lengths)) for order, lengths in zip(orders, parts)]

    @cached_property
    def cumulative(self):
        """[G + 1] int32 on the device: the first row of each group, then M."""
        lengths = torch.tensor([0, *(length for length, count in self.runs for _ in range(count))], dtype=torch.int32)
        return lengths.cumsum(0, dtype=torch.int32).to(self.order.device)

    @cached_property
    def buckets(self):
        """Groups of similar length, padded to one length L.

        Returns a list of (index [G, L] into `order`, padding [G, L] bool). This leaves few shapes instead of one per
        group length: on a CPU every new shape of a matrix product is compiled first.
        """
        lengths = torch.tensor([length for length, count in self.runs for _ in range(count)])
        starts = lengths.cumsum(0) - lengths
        padded = ((2 ** ((lengths.double().log2() * 3).ceil() / 3) / 16).ceil() * 16).long()  # steps of at most 26 %
        rows = []
        for size in padded.unique().tolist():
            group = torch.nonzero(padded == size)
            column = torch.arange(size)[None]
            index = starts[group] + torch.minimum(column, lengths[group] - 1)
            rows.append((index.to(self.order.device), (column >= lengths[group]).to(self.order.device)))
        return rows


def morton_code(coords, axes):
    """Interleave the bits of the columns named by `axes`, the first in the least significant bit.

    coords: [M, 3] int64 in [0, 2**20); axes: e.g. "xyz". Returns [M] int64.
    """
    code = torch.zeros(len(coords), dtype=torch.int64, device=coords.device)
    for shift, axis in enumerate(axes):
        code |= _spread_bits(coords[:, "xyz".index(axis)]) << shift
    return code


def _spread_bits(v):
    """Insert two zero bits between the low 21 bits of v (by magic numbers, as in every Morton code)."""
    for shift, mask in (
        (32, 0x1F00000000FFFF),
        (16, 0x1F0000FF0000FF),
        (8, 0x100F00F00F00F00F),
        (4, 0x10C30C30C30C30C3),
        (2, 0x1249249249249249),
    ):
        v = (v | (v << shift)) & mask
    return v


def curve_groups(level, order, patch_size, generator=None):
    """Consecutive patches of `patch_size` voxels along a curve, cloud by cloud; a cloud's last patch may be shorter.

    order: one of CURVE_ORDERS, or RANDOM_ORDER; generator: CPU torch.Generator for RANDOM_ORDER.
    """
    if order == RANDOM_ORDER:
        code = torch.randperm(len(level), generator=generator).to(level.key.device)
    else:
        code = morton_code(level.local_coords, order.removeprefix("morton_"))
    parts, lengths, start = [], [], 0
    for size in level.cloud_sizes:
        parts.append(start + torch.argsort(code[start : start + size]))
        full, rest = divmod(size, patch_size)
        lengths += [patch_size] * full + [rest] * (rest > 0)
        start += size
    return Groups(torch.cat(parts), _runs(lengths))


def space_groups(level, order, window_size):
    """Cubic windows of `window_size` voxels from the cloud's minimum; axes in `order` are shifted by half a window."""
    half = round(0.5 * window_size)
    offset = torch.tensor([half if axis in order and order != "zero" else 0 for axis in "xyz"])
    window = torch.div(level.local_coords + offset.to(level.key.device), window_size, rounding_mode="floor")
    code = level.cloud_index << 54 | window[:, 0] << 36 | window[:, 1] << 18 | window[:, 2]
    _, group, sizes = torch.unique(code, return_inverse=True, return_counts=True)
    # groups by ascending size, so that groups of one size are adjacent and run as one batch
    rank = torch.empty_like(sizes)
    by_size = torch.argsort(sizes, stable=True)
    rank[by_size] = torch.arange(len(sizes), device=sizes.device)
    return Groups(torch.argsort(rank[group], stable=True), _runs(sizes[by_size].tolist()))


def _runs(lengths):
    return tuple((length, len(list(members))) for length, members in groupby(lengths))


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
        weight = self.weight.transpose(0, 1).flatten(1)  # [C_in, 3 * C_out]
        return F.linear(x, weight.t(), self.bias).unflatten(1, (3, -1))


class GroupedAttention(nn.Module):
    """Multi-head attention of one block: `kind` is "curve" (size = voxels per patch) or "space" (voxels per side)."""

    def __init__(self, channels, heads, kind, size, rope_base):
        super().__init__()
        self.heads, self.kind, self.size, self.rope_base = heads, kind, size, rope_base
        self.qkv = BatchedLinear(channels)
        self.proj = nn.Linear(channels, channels)

    def groups(self, level, order, generator):
        """Groups of this block's kind for a block order, cached by the level."""
        if self.kind == "space":
            return level.cached(("space", order, self.size), lambda: space_groups(level, order, self.size))
        if order == RANDOM_ORDER:  # a new permutation for every block
            return curve_groups(level, order, self.size, generator)
        return level.cached(("curve", order, self.size), lambda: curve_groups(level, order, self.size))

    def forward(self, x, level, order, core_dtype=None, generator=None):
        """x + attention of x, in place where gradients are off. x: [M, C].

        core_dtype: round queries, keys, values and the result to this type while computing in the type of x, as the
        published model does with float16 (flash attention); None for no rounding.
        """
        groups = self.groups(level, order, generator)
        head_dim = x.shape[1] // self.heads
        table = level.cached(
            ("rotary", head_dim, self.rope_base),
            lambda: rotary_table(torch.arange(1, level.extent + 1, device=x.device)[:, None], head_dim, self.rope_base),
        )
        if torch.is_grad_enabled():
            parts = [self.project_back(self.attend(x, level, table, piece, core_dtype)) for piece in groups.pieces]
            return torch.empty_like(x).index_copy(0, groups.order, torch.cat(parts)) + x
        for piece in groups.pieces:  # pieces share no voxels, so x can be updated in place
            self.add_back(x, piece.order, self.attend(x, level, table, piece, core_dtype))
        return x

    def attend(self, x, level, table, groups, core_dtype):
        """Attention of the voxels in `groups.order`, in that order, [M, H, D].

        x: [M, C]
        table: `rotary_table` of the coordinates 1, 2, ...
        groups: Groups
        core_dtype: as in `forward`
        """

        def project(rows):
            coords = level.local_coords.index_select(0, rows).flatten()
            angles = [part.index_select(0, coords).view(len(rows), -1) for part in table]
            qkv = self.qkv(x.index_select(0, rows)).unflatten(2, (self.heads, -1))  # [M, 3, H, D]
            q, k = rotate(qkv[:, :2], angles).unbind(1)
            return torch.stack([round_to(t, core_dtype) for t in (q, k, qkv[:, 2])], dim=1)

        q, k, v = by_rows(project, groups.order, rows=piece_rows(x)).unbind(1)
        return round_to(grouped_attention(q, k, v, groups, out=q), core_dtype)

    def add_back(self, x, order, attended):
        """Add the projected attention to x in place. order: [M] int64 rows of x; attended: [M, H, D]."""
        for rows, part in zip(order.split(piece_rows(x)), attended.split(piece_rows(x))):
            x.index_add_(0, rows, self.project_back(part))

    def project_back(self, attended):
        """[M, H, D] -> [M, C]."""
        return self.proj(attended.flatten(1))


def round_to(x, dtype):
    """x with its values rounded to `dtype`, still in its own type; unchanged for None."""
    return x if dtype is None else x.to(dtype).to(x.dtype)


def check_order(order, kind):
    """Raise SpaceformerError unless `order` names a block order of this kind."""
    valid = SPACE_ORDERS if kind == "space" else (*CURVE_ORDERS, RANDOM_ORDER)
    if order not in valid:
        raise SpaceformerError(
            f"block order {order!r} is not valid for a {kind} block: choose one of {', '.join(valid)}"
        )
