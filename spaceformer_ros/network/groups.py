# SPDX-License-Identifier: Apache-2.0
"""Groups of voxels that attend together: patches along a space-filling curve, or cubic windows.

A block order names the curve or the window offset of one block. Groups depend only on the level and the order: all of
a forward pass are computed before its first block (`prepare_groups`), those of one level together.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np
import torch
import torch.nn.functional as F

from .. import SpaceformerError
from .packing import AXIS_BITS
from .transfer import to_device, to_host

CURVE_ORDERS = ("morton_xyz", "morton_xzy", "morton_yxz", "morton_yzx", "morton_zxy", "morton_zyx")
SPACE_ORDERS = ("zero", "xy", "xz", "yz", "xyz")
RANDOM_ORDER = "random"  # patches of a random permutation; not among the default orders
# Queries, keys and values are computed for about this many voxels at a time, by device type, to bound memory.
GROUP_ROWS = {"cpu": 4096}
GROUP_ROWS_DEFAULT = 1 << 17
MAX_GROUPS = 65_535  # in one call: the limit of the y dimension of a CUDA grid


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
        if len(self.order) <= limit and sum(count for _, count in self.runs) <= MAX_GROUPS:
            return [self]
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
        lengths, counts = zip(*self.runs)
        ends = np.repeat(np.array(lengths, dtype=np.int32), counts).cumsum(dtype=np.int32)
        return to_device(np.concatenate([np.zeros(1, np.int32), ends]), self.order.device)

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


def prepare_groups(wanted):
    """Compute the groups of many blocks; the host waits once for a GPU.

    wanted: rows (Level, kind, order, size) of blocks, see `GroupedAttention`. Groups are kept by the levels under the
    names of `group_name`. Random permutations are left out: they are drawn block by block.
    """
    together = {}
    for level, kind, order, size in dict.fromkeys(wanted):
        if order != RANDOM_ORDER:
            together.setdefault((level, kind, size), []).append(order)
    windows = []
    for (level, kind, size), orders in together.items():
        if kind == "curve":
            keep_groups(level, kind, size, orders, curve_groups(level, orders, size))
        else:
            windows.append((level, size, orders, *find_windows(level, orders, size)))
    sizes = to_host(*(row[-1] for row in windows)) if windows else ()
    for (level, size, orders, rows, _), counts in zip(windows, sizes):
        keep_groups(level, "space", size, orders, [Groups(*pair) for pair in zip(rows, map(window_runs, counts))])


def keep_groups(level, kind, size, orders, groups):
    """Store the Groups of some orders in the tables of a Level."""
    for order, made in zip(orders, groups):
        level.cached(group_name(kind, order, size), lambda made=made: made)


def group_name(kind, order, size):
    """Name of the groups of a block among the tables of its Level."""
    return kind, order, size


def curve_groups(level, orders, patch_size, generator=None):
    """For each order, consecutive patches of `patch_size` voxels along a curve, cloud by cloud, as a list of Groups.

    A cloud's last patch may be shorter. orders: of CURVE_ORDERS, or [RANDOM_ORDER]; generator: CPU torch.Generator for
    RANDOM_ORDER.
    """
    if orders == [RANDOM_ORDER]:
        code = torch.randperm(len(level), generator=generator)[None].to(level.key.device)
    else:
        code = morton_codes(level.local_coords, [order.removeprefix("morton_") for order in orders])
    code |= level.cloud_index << (3 * AXIS_BITS)  # clouds stay in sequence
    lengths = []
    for size in level.cloud_sizes:
        full, rest = divmod(size, patch_size)
        lengths += [patch_size] * full + [rest] * (rest > 0)
    runs = _runs(lengths)
    return [Groups(order, runs) for order in torch.sort(code, dim=1).indices]


def morton_codes(coords, axes):
    """For each of `axes`, the interleaved bits of the columns it names, the first in the least significant bit.

    coords: [M, 3] int64 in [0, 2**20); axes: names such as "xyz", O in all. Returns [O, M] int64.
    """
    bits = _spread_bits(coords).t()  # once for all orders
    shifts = torch.arange(3, device=coords.device)[:, None]
    column = to_device(np.array([["xyz".index(axis) for axis in names] for names in axes]), coords.device)
    return (bits[column] << shifts).sum(dim=1)


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


def space_groups(level, orders, window_size):
    """For each order, cubic windows of `window_size` voxels from the cloud's minimum, as a list of Groups.

    Axes in an order are shifted by half a window. Windows follow each other by falling size: equal ones run as one
    batch, and on a GPU the longest ones start first.
    """
    rows, sizes = find_windows(level, orders, window_size)
    return [Groups(order, window_runs(counts)) for order, counts in zip(rows, *to_host(sizes))]


def find_windows(level, orders, window_size):
    """The windows of O orders: rows of the voxels window by window [O, M] int64, and the number of voxels in each
    window, in any sequence and followed by zeros, [O, M] int32. The host does not wait for a GPU here."""
    half = round(0.5 * window_size)
    offsets = [[half if axis in order and order != "zero" else 0 for axis in "xyz"] for order in orders]
    shifted = level.local_coords + to_device(np.array(offsets), level.key.device)[:, None]
    window = torch.div(shifted, window_size, rounding_mode="floor")  # [O, M, 3]
    fields = torch.arange(2, -1, -1, device=window.device) * AXIS_BITS
    code = (window << fields).sum(dim=2) | level.cloud_index << (3 * AXIS_BITS)
    by_window = torch.sort(code, dim=1, stable=True)
    new = (by_window.values[:, 1:] != by_window.values[:, :-1]).cumsum(dim=1)
    number = F.pad(new, (1, 0))
    sizes = torch.zeros(code.shape, dtype=torch.int32, device=code.device)
    sizes.scatter_add_(1, number, sizes.new_ones(1, 1).expand_as(number))
    by_size = torch.sort(sizes.gather(1, number), dim=1, descending=True, stable=True).indices
    return by_window.indices.gather(1, by_size), sizes


def window_runs(sizes):
    """Groups.runs of windows by falling size. sizes: [M] of `find_windows`, a NumPy array."""
    lengths, counts = np.unique(sizes[sizes > 0], return_counts=True)
    return tuple(zip(lengths[::-1].tolist(), counts[::-1].tolist()))


def _runs(lengths):
    return tuple((length, len(list(members))) for length, members in groupby(lengths))


def check_order(order, kind):
    """Raise SpaceformerError unless `order` names a block order of this kind."""
    valid = SPACE_ORDERS if kind == "space" else (*CURVE_ORDERS, RANDOM_ORDER)
    if order not in valid:
        raise SpaceformerError(
            f"block order {order!r} is not valid for a {kind} block: choose one of {', '.join(valid)}"
        )
